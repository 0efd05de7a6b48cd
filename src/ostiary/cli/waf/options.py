"""Options that commands of `ostiary waf` share, and files that they read."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from ostiary.errors import Refused
from ostiary.waf.traffic import Traffic, read

LARGEST: Final = 1 << 30
"""Bytes of a file that is read whole."""
RuleWords = Annotated[
    list[str] | None,
    Parameter(
        name="--rules",
        negative=(),
        show_default=False,
        help="core, crs, or a folder or file of rules; may be said several times. Without it: "
        "core.",
    ),
]
Paranoia = Annotated[int, Parameter(name="--paranoia", help="The paranoia level, 1 to 4.")]
Threshold = Annotated[
    int, Parameter(name="--threshold", help="The anomaly score from which a request is stopped.")
]
BodyLimit = Annotated[
    int, Parameter(name="--body-limit", help="Bytes of a body; a longer one is refused.")
]
USUAL_LIMIT: Final = 128 << 10
TrafficFile = Annotated[
    Path,
    Parameter(
        name="--traffic",
        help="A log of waf with recorded requests, or a HAR file; - is standard input.",
    ),
]


def paranoia_of(level: int) -> int:
    """`level`, if it is one. Raises `Refused`."""
    if level in {1, 2, 3, 4}:
        return level
    raise Refused("paranoia-level", f"{level} is no paranoia level", "there are 1, 2, 3 and 4")


def content(path: Path) -> bytes:
    """The bytes of a file, or of standard input for `-`. Raises `Refused`."""
    try:
        found = sys.stdin.buffer.read(LARGEST) if str(path) == "-" else _read(path)
    except OSError as error:
        why = (error.strerror or "error").lower()
        raise Refused("file-unread", f"{path} cannot be read: {why}", "check its name") from error
    return found


def _read(path: Path) -> bytes:
    if path.stat().st_size > LARGEST:
        raise Refused(
            "file-too-large",
            f"{path} is larger than {LARGEST >> 30} GiB",
            "cut it into several files, for example one of each day",
        )
    return path.read_bytes()


def traffic_of(path: Path) -> Traffic:
    """The traffic of a file. Raises `Refused` when there is none in it."""
    traffic = read(content(path).decode("utf-8", "replace"))
    if not traffic.entries:
        line, why = traffic.unread[0] if traffic.unread else (1, "it is empty")
        raise Refused(
            "traffic-unread",
            f"{path}:{line}: there is no traffic in it: {why}",
            "give a log of waf, or a HAR file that a browser saved",
        )
    return traffic
