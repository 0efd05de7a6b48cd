"""Requests to the firewall's Envoy, byte by byte where a library would be too polite."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass

SQL = "1%27%20UNION%20SELECT%20password%20FROM%20users--"
"""In a query: what the core pack takes for SQL injection."""
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Said:
    """An answer."""

    status: int
    headers: str
    body: str


def ask(port: int, path: str, *headers: str, method: str = "GET", body: bytes = b"") -> Said:
    """One request on a connection of its own."""
    lines = [f"{method} {path} HTTP/1.1", "Host: app.test", "Connection: close", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return spoken(port, ["\r\n".join([*lines, "", ""]).encode() + body])


def post(port: int, path: str, body: bytes, kind: str = FORM, *headers: str) -> Said:
    """A body of this kind."""
    return ask(port, path, f"Content-Type: {kind}", *headers, method="POST", body=body)


def chunked(port: int, path: str, pieces: Iterable[bytes], *headers: str, end: bytes = b"") -> Said:
    """A body in chunks, with `end` as trailers."""
    lines = [f"POST {path} HTTP/1.1", "Host: app.test", "Connection: close"]
    lines += [f"Content-Type: {FORM}", "Transfer-Encoding: chunked", *headers]
    head = "\r\n".join([*lines, "", ""]).encode()
    made = (b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return spoken(port, _chain(head, made, b"0\r\n" + end + b"\r\n"))


def _chain(first: bytes, middle: Iterable[bytes], last: bytes) -> Iterable[bytes]:
    yield first
    yield from middle
    yield last


def spoken(port: int, pieces: Iterable[bytes]) -> Said:
    """What is answered to these bytes, read until the peer closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
        try:
            for piece in pieces:
                wire.sendall(piece)
        except OSError:
            # An early answer may close the connection; it is read below.
            pass
        raw = b""
        try:
            while piece := wire.recv(65_536):
                raw += piece
        except ConnectionResetError:
            pass
    return heard(raw)


def heard(raw: bytes) -> Said:
    """The bytes of an answer, as one."""
    head, _, body = raw.partition(b"\r\n\r\n")
    if head.startswith(b"HTTP/1.1 100"):
        return heard(body)
    return Said(int(head.split(b" ", 2)[1]), head.decode().lower(), body.decode("latin-1"))
