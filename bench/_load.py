"""Load in bursts: four requests on each of 32 kept-alive connections, as fast as they are answered.

Within a burst the proxy is saturated, as in a closed loop; between bursts it rests. A burst ends
before the caches of the machine, or its other users, have become others: contestants take turns
by burst. The rests also give the control plane, on the other core, time to take the decision log,
so that no entry is dropped and none is measured as free.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

CONNECTIONS: Final = 32
IN_A_ROW: Final = 4
"""Requests on each connection in one burst."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked, and how."""

    port: int
    tls: bool
    host: str
    path: str = "/"
    cookies: Sequence[str] = field(default=("",), repr=False)
    """One a request, in turn."""


class Load:
    """Open connections to one target."""

    def __init__(self, target: Target) -> None:
        self._requests = [request(target, cookie) for cookie in target.cookies]
        self._next = 0
        self._connections = [connect(target) for _ in range(CONNECTIONS)]

    def burst(self) -> int:
        """The number of requests; every one was answered with 200."""
        for _ in range(IN_A_ROW):
            for one in self._connections:
                one.sendall(self._requests[self._next])
                self._next = (self._next + 1) % len(self._requests)
            for one in self._connections:
                head = answer(one)[:12]
                if head != b"HTTP/1.1 200":
                    raise RuntimeError(f"an answer began with {head!r}")
        return IN_A_ROW * CONNECTIONS

    def close(self) -> None:
        """No connection is left."""
        for one in self._connections:
            one.close()


def secure_context() -> ssl.SSLContext:
    """TLS without a look at the certificate: we measure, we do not trust."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def connect(target: Target) -> socket.socket:
    """A connected socket to `target`, with TLS where it has it."""
    raw = socket.create_connection(("127.0.0.1", target.port), 10)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not target.tls:
        return raw
    return secure_context().wrap_socket(raw, server_hostname=target.host)


def request(target: Target, cookie: str, *more: str) -> bytes:
    """A GET; `more` are further header lines."""
    lines = [f"GET {target.path} HTTP/1.1", f"Host: {target.host}", *more]
    if cookie:
        lines.append(f"Cookie: {cookie}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def answer(connection: socket.socket) -> bytes:
    """One whole answer with a Content-Length (or none), head and body."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        if not chunk:
            raise ConnectionError("closed before an answer")
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    missing = (int(length.group(1)) if length else 0) - len(body)
    while missing > 0:
        chunk = connection.recv(65536)
        if not chunk:
            raise ConnectionError("closed within an answer")
        data += chunk
        missing -= len(chunk)
    return data
