"""Load in bursts: eight requests on each of 32 kept-alive connections, as fast as answers come.

Within a burst the proxy is saturated, as in a closed loop, for every request was encrypted before:
32 of them are there before the first is answered. Between bursts it rests. A burst ends
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
from itertools import cycle, islice
from math import lcm
from typing import Final, Protocol

CONNECTIONS: Final = 32
IN_A_ROW: Final = 8
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
    sources: Sequence[str] = field(default=("",), repr=False)
    """Likewise: the client's address, as a trusted hop says it."""
    header: str = "Cookie"
    """In which `cookies` stand."""


class Receiver(Protocol):
    """What an answer is read from."""

    def recv(self, most: int, /) -> bytes:
        """The next bytes, at most `most`; none at the end."""


class Load:
    """Open connections to one target."""

    def __init__(self, target: Target) -> None:
        known = zip(cycle(target.cookies), cycle(target.sources), strict=False)
        count = lcm(len(target.cookies), len(target.sources))
        self._requests = cycle([_request(target, *one) for one in islice(known, count)])
        self._wires = [_Wire(target) for _ in range(CONNECTIONS)]

    def burst(self) -> int:
        """The number of requests; every one was answered with 200."""
        for _ in range(IN_A_ROW):
            for one in self._wires:
                one.prepare(next(self._requests))
            for one in self._wires:
                one.send()
            for one in self._wires:
                head = answer(one)[:12]
                if head != b"HTTP/1.1 200":
                    raise RuntimeError(f"an answer began with {head!r}")
        return IN_A_ROW * CONNECTIONS

    def close(self) -> None:
        """No connection is left."""
        for one in self._wires:
            one.close()


class _Wire:
    """A connection whose next request is encrypted before it is sent."""

    def __init__(self, target: Target) -> None:
        self._raw = _plain(target)
        self._ready = b""
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None
        if target.tls:
            context = secure_context()
            self._tls = context.wrap_bio(self._in, self._out, server_hostname=target.host)
            self._shake_hands(self._tls)

    def prepare(self, text: bytes) -> None:
        """`text` is what `send` sends."""
        if self._tls is not None:
            self._tls.write(text)
            text = self._out.read()
        self._ready = text

    def send(self) -> None:
        """What was prepared is on its way."""
        self._raw.sendall(self._ready)

    def recv(self, most: int, /) -> bytes:
        """Decrypted; it ends with an error, for no proxy should close here."""
        while self._tls is not None:
            try:
                return self._tls.read(most)
            except ssl.SSLWantReadError:
                self._feed()
        return self._raw.recv(most)

    def close(self) -> None:
        """It is closed."""
        self._raw.close()

    def _shake_hands(self, tls: ssl.SSLObject) -> None:
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                self._raw.sendall(self._out.read())
                self._feed()
            else:
                self._raw.sendall(self._out.read())
                return

    def _feed(self) -> None:
        data = self._raw.recv(65536)
        if not data:
            raise ConnectionError("closed within a connection's life")
        self._in.write(data)


def secure_context() -> ssl.SSLContext:
    """TLS without a look at the certificate: we measure, we do not trust."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def connect(target: Target) -> socket.socket:
    """A connected socket to `target`, with TLS where it has it."""
    raw = _plain(target)
    if not target.tls:
        return raw
    return secure_context().wrap_socket(raw, server_hostname=target.host)


def _plain(target: Target) -> socket.socket:
    raw = socket.create_connection(("127.0.0.1", target.port), 10)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return raw


def request(target: Target, cookie: str, *more: str) -> bytes:
    """A GET; `more` are further header lines."""
    lines = [f"GET {target.path} HTTP/1.1", f"Host: {target.host}", *more]
    if cookie:
        lines.append(f"{target.header}: {cookie}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _request(target: Target, cookie: str, source: str) -> bytes:
    return request(target, cookie, *([f"X-Forwarded-For: {source}"] if source else []))


def answer(connection: Receiver) -> bytes:
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
