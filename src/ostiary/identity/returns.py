"""Return addresses: where a browser may be sent after sign-in, and nowhere else.

Only `https`, only the host of an existing `login` route at its own port, only a plain path. The
check is a closed grammar, not a list of known tricks. Fed by `login`; feeds its redirects.
"""

from __future__ import annotations

import re
from typing import Final

from ostiary.errors import Refused
from ostiary.identity.directory import Directory, origin
from ostiary.wire import OWN_PATHS

LONGEST: Final = 1500
"""Characters that are kept of a return address; cookies end at 4,096."""
_ADDRESS: Final = re.compile(
    r"https://(?P<host>[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[!-~]*)?",
    re.IGNORECASE | re.ASCII,
)
_PATH: Final = re.compile(r"/[!-~]*", re.ASCII)
_FORBIDDEN: Final = frozenset("\\#")
_START: Final = re.compile(r"[0-9A-Za-z-]{16,64}", re.ASCII)


def check_return(address: str, directory: Directory, sign_in_host: str) -> tuple[str, str]:
    """The host and the absolute URL behind `address`; `Refused` unless it leads to one of ours."""
    match = _ADDRESS.fullmatch(address)
    if match is None or not _FORBIDDEN.isdisjoint(address):
        raise _refused()
    host = match["host"].lower()
    place = directory.place(host)
    if place is None or place.sign_in != sign_in_host or int(match["port"] or 443) != place.port:
        raise _refused()
    return host, origin(host, place.port) + return_path(match["path"] or "/")


def return_path(path: str) -> str:
    """`path` (with its query) if a browser may be sent back to it, shortened if need be, else `/`.

    A path of ours is no place to return to: that would be a circle.
    """
    if not _PATH.fullmatch(path) or not _FORBIDDEN.isdisjoint(path) or path.startswith(OWN_PATHS):
        return "/"
    if len(path) > LONGEST:
        bare = path.partition("?")[0]
        return bare if len(bare) <= LONGEST else "/"
    return path


def is_start(text: str) -> bool:
    """True when `text` can be a start id: it becomes part of a cookie's name."""
    return _START.fullmatch(text) is not None


def _refused() -> Refused:
    return Refused(
        "return-refused",
        "this sign-in link does not lead to an application of ours",
        "open the application's own address and sign in from there",
    )
