"""A request as the engine is asked about it, and the ways a person writes one.

A log's record, a HAR entry, words of a command line and raw HTTP/1.1 all become a `Request`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

Pairs = tuple[tuple[bytes, bytes], ...]
_LINE: Final = 3
"""Words of a request line: method, target, version (RFC 9112, section 3)."""
_FORM: Final = b"application/x-www-form-urlencoded"


class Malformed(ValueError):
    """A text that is no request; says why."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a client sent. `uri` is the raw target; header names are in lower case."""

    method: str
    uri: bytes
    headers: Pairs
    body: bytes = b""
    remote: str = "127.0.0.1"
    cut: bool = False
    """Its body was not recorded as a whole, so what rules say about it may differ."""

    def header(self, name: bytes) -> bytes:
        """The first value of a header; empty when it is not there."""
        return next((value for known, value in self.headers if known == name), b"")

    @property
    def path(self) -> str:
        """The path without its query."""
        return self.uri.partition(b"?")[0].decode("utf-8", "replace")


def of_words(
    method: str, target: str, headers: Sequence[str], body: bytes = b"", remote: str = "127.0.0.1"
) -> Request:
    """A request from a command line: `target` is a path or a URL, a header is `name: value`.

    What every client sends is added where it is missing: host, user-agent, accept, and with a body
    its length and the type of a form, as curl does. Raises `Malformed`.
    """
    parts = urlsplit(target)
    uri = target
    if parts.scheme and parts.netloc:
        uri = target[target.index(parts.netloc) + len(parts.netloc) :] or "/"
        uri = uri if uri.startswith("/") else f"/{uri}"
    elif not target.startswith("/"):
        raise Malformed(f"{target!r} is neither a path nor a URL")
    pairs = tuple(_header(line.encode()) for line in headers)
    usual = [(b"host", parts.netloc.encode() or b"localhost"), (b"user-agent", b"ostiary")]
    usual.append((b"accept", b"*/*"))
    if body:
        usual += [(b"content-length", str(len(body)).encode()), (b"content-type", _FORM)]
    given = {name for name, _ in pairs}
    added = tuple(one for one in usual if one[0] not in given)
    return Request(method, uri.partition("#")[0].encode(), (*added, *pairs), body, remote)


def of_raw(text: bytes, remote: str = "127.0.0.1") -> Request:
    """A request as it stands on the wire (HTTP/1.1), or with plain line ends. Raises `Malformed`.

    The body is all that follows the empty line; nothing is dechunked or decompressed.
    """
    head, found, body = text.lstrip(b"\r\n").partition(b"\r\n\r\n")
    if not found or b"\n\n" in head:
        head, _, body = text.lstrip(b"\r\n").partition(b"\n\n")
    first, *lines = head.replace(b"\r\n", b"\n").split(b"\n")
    words = first.split(b" ")
    if len(words) != _LINE or not words[2].startswith(b"HTTP/"):
        raise Malformed("the first line is not METHOD TARGET HTTP/1.1")
    if not words[0].isascii() or not words[1]:
        raise Malformed("the first line has no method or no target")
    pairs = tuple(_header(line) for line in lines if line)
    return Request(words[0].decode(), words[1], pairs, body, remote)


def of_record(found: Mapping[str, Any], remote: str = "127.0.0.1") -> Request:
    """A request as our own log has it. Raises `Malformed`."""
    try:
        headers = tuple((_bytes(name).lower(), _bytes(value)) for name, value in found["headers"])
        body = base64.b64decode(found.get("body") or "", validate=True)
        method, uri = str(found["method"]), _bytes(found["uri"])
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise Malformed(f"no recorded request: {error!r}") from None
    return Request(method, uri, headers, body, remote, cut=found.get("cut") is True)


def of_har(found: Mapping[str, Any]) -> Request:
    """The request of one entry of a HAR file (version 1.2). Raises `Malformed`."""
    try:
        url = urlsplit(str(found["url"]))
        uri = (url.path or "/") + (f"?{url.query}" if url.query else "")
        named = [(str(one["name"]), str(one["value"])) for one in found.get("headers", ())]
        posted = found.get("postData") or {}
        body = _posted(posted)
        method = str(found["method"])
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error) as error:
        raise Malformed(f"no request of a HAR file: {error!r}") from None
    pairs = [(_bytes(name.lower()), _bytes(value)) for name, value in named if name[:1] != ":"]
    names = {name for name, _ in pairs}
    if b"host" not in names:
        pairs.insert(0, (b"host", url.netloc.encode()))
    if body and b"content-type" not in names and posted.get("mimeType"):
        pairs.append((b"content-type", _bytes(str(posted["mimeType"]))))
    return Request(method, uri.encode(), tuple(pairs), body)


def _posted(posted: Mapping[str, Any]) -> bytes:
    text = str(posted.get("text") or "")
    if posted.get("encoding") == "base64":
        return base64.b64decode(text, validate=True)
    return _bytes(text)


def _header(line: bytes) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(b":")
    if not colon or not name.strip() or name != name.rstrip():
        shown = line[:40].decode("utf-8", "replace")
        raise Malformed(f"{shown!r} is no header; write `name: value`")
    return name.strip().lower(), value.strip()


def _bytes(text: object) -> bytes:
    if not isinstance(text, str):
        raise Malformed(f"{text!r} is no text")
    return text.encode("utf-8", "surrogatepass")
