"""The shapes of single words: hosts, paths, addresses, origins.

Each check takes a word and returns what is wrong with it, or None. Used by the nouns when a
document is read and by `plan` for words inside feature blocks.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple


class Trouble(NamedTuple):
    """What is wrong with a word: a stable code, a sentence and what to do."""

    code: str
    sentence: str
    hint: str


_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_PATH: Final = re.compile(r"/[A-Za-z0-9\-._~!$&'()+,=:@/]*")
_ORIGIN: Final = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?")
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?")
_LONGEST_HOST: Final = 253
_LONGEST_PATH: Final = 1024
_HIGHEST_PORT: Final = 65_535


def name_trouble(name: str) -> Trouble | None:
    """A noun's name becomes part of SPIFFE ids and resource names."""
    if _NAME.fullmatch(name):
        return None
    sentence = f'"{name}" cannot be a name'
    hint = "use up to 63 lower-case letters, digits, - and _, with a letter or digit at both ends"
    return Trouble("document.name", sentence, hint)


def host_trouble(host: str, *, any_host: bool = False) -> Trouble | None:
    """An exact host name or `*.x.example`, in lower case; `*` only where `any_host`."""
    if any_host and host == "*":
        return None
    bare = host.removeprefix("*.")
    hint = "write a host name such as notes.example, or *.example for all names below it"
    if "://" in host or "/" in host:
        hint = "leave out the scheme and the path"
    elif re.search(r":\d+$", host):
        hint = "leave out the port; it belongs to the listener"
    elif not host.isascii():
        hint = "write it in its ASCII form (xn--...)"
    if len(host) <= _LONGEST_HOST and all(_LABEL.fullmatch(part) for part in bare.split(".")):
        return None
    return Trouble("document.host", f'"{host}" is not a host name', hint)


def exact_host_trouble(host: str) -> Trouble | None:
    """One host name, no pattern."""
    if host.startswith("*"):
        hint = "write the one name that people see while they sign in"
        return Trouble("document.host", f'"{host}" is a pattern, not a host name', hint)
    return host_trouble(host)


def path_trouble(path: str) -> Trouble | None:
    """`/x` or `/x/*`, already normalised (RFC 3986, section 6.2.2): as requests are compared."""
    bare = path.removesuffix("/*")
    segments = bare.split("/")
    if not path.startswith("/"):
        wrong, hint = "does not start with /", f'write "/{path}"'
    elif "*" in bare:
        wrong, hint = "has a * before its end", "a * may only stand last, as in /notes/*"
    elif "//" in path:
        wrong, hint = "has an empty segment", "write one / instead of //"
    elif "." in segments or ".." in segments:
        wrong, hint = "has a dot segment", "write the path it leads to"
    elif "%" in path:
        wrong, hint = "is percent-encoded", "write the character itself; paths are compared decoded"
    elif "?" in path or "#" in path:
        wrong, hint = "has a query", "paths are compared without the query; leave it out"
    elif ";" in path:
        wrong, hint = "has a ; parameter", "requests with ; in the path are refused; leave it out"
    elif len(path) > _LONGEST_PATH or not (bare == "" or _PATH.fullmatch(bare)):
        wrong, hint = "has a character no request path can have", "use RFC 3986 path characters"
    else:
        return None
    return Trouble("document.path", f'the path "{path}" {wrong}', hint)


def address_trouble(address: str) -> Trouble | None:
    """`host:port`, `[v6]:port` or `unix:/absolute/path`."""
    if address.startswith("unix:"):
        if address.startswith("unix:/") and "\0" not in address:
            return None
        hint = "a socket path is absolute: unix:/run/notes.sock"
        return Trouble("document.address", f'"{address}" is not an address', hint)
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    port_is_good = port.isascii() and port.isdigit() and 0 < int(port) <= _HIGHEST_PORT
    host_is_good = bool(re.fullmatch(r"[A-Za-z0-9._-]+|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*", host))
    if port_is_good and host_is_good and ("[" in address or ":" not in host):
        return None
    hint = "write host:port, such as 127.0.0.1:9001, or unix:/run/notes.sock"
    if "://" in address:
        hint = "leave out the scheme: " + address.partition("://")[2]
    return Trouble("document.address", f'"{address}" is not an address', hint)


def origin_trouble(origin: str) -> Trouble | None:
    """`https://host[:port]` in lower case, as a browser writes `Origin` (RFC 6454, section 7)."""
    if _ORIGIN.fullmatch(origin):
        return None
    hint = "write it as a browser does: https://app.example, no path, no * and no trailing /"
    return Trouble("document.origin", f'"{origin}" is not an origin', hint)
