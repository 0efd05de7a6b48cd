"""One HTTP message as bytes on the wire and as the parts that an engine takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

Headers = tuple[tuple[bytes, bytes], ...]
HOST: Final = (b"Host", b"app.example")


@dataclass(frozen=True, slots=True)
class Reply:
    """What the application answers."""

    status: int = 200
    headers: Headers = ((b"Content-Type", b"text/plain"),)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Message:
    """A request, not checked for being one."""

    method: bytes
    target: bytes
    headers: Headers
    body: bytes = b""
    protocol: bytes = b"HTTP/1.1"
    raw: bytes | None = None
    """The exact bytes where they are not what the parts would give."""

    def wire(self, *more: tuple[bytes, bytes]) -> bytes:
        """The bytes to send; `more` headers stand at the end of the head."""
        added = b"".join(b"%s: %s\r\n" % pair for pair in more)
        if self.raw is not None:
            head, gap, body = self.raw.partition(b"\r\n\r\n")
            return head + b"\r\n" + added + b"\r\n" + body if gap else self.raw
        lines = b"".join(b"%s: %s\r\n" % pair for pair in self.headers)
        first = b" ".join((self.method, self.target, self.protocol))
        return first + b"\r\n" + lines + added + b"\r\n" + self.body


def from_raw(raw: bytes) -> Message:
    """The parts of `raw`, read as forgivingly as can be."""
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    method, _, rest = first.partition(b" ")
    target, _, protocol = rest.rpartition(b" ")
    pairs = tuple(
        (name.strip(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)
    )
    return Message(method, target, pairs, body, protocol, raw)


def get(target: str, *headers: tuple[str, str]) -> Message:
    """A GET."""
    return Message(b"GET", target.encode(), _all(headers))


def post(target: str, kind: str, body: bytes, *headers: tuple[str, str]) -> Message:
    """A POST with a Content-Length."""
    sized = (*headers, ("Content-Type", kind), ("Content-Length", str(len(body))))
    return Message(b"POST", target.encode(), _all(sized), body)


def _all(headers: tuple[tuple[str, str], ...]) -> Headers:
    return (HOST, *((name.encode(), value.encode()) for name, value in headers))
