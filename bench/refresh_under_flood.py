"""A silent session refresh while 1,500 connections send garbage: p99 at most twice the quiet one.

The refresh is the slow path: an expired token of ours and a live handle, through `login` and back.
The garbage is what strangers can send for nothing: forged and broken session cookies, as if they
navigated or not, each connection again as soon as it may, 1,000 requests a second altogether.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import re
import secrets
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Self

from _claim import Row, main, percentile
from _envoys import application
from _load import Target, answer, connect, request
from _ostiary import HOST, Running, folder, serving, write_document
from _rules import document, last
from _sessions import SignedIn

from ostiary.wire import REFRESH_COOKIE, SESSION_COOKIE

CONNECTIONS = 1500
RATE = 1000
"""Garbage requests a second, over all connections."""
GOAL = 2.0
AGE = 3600
"""Seconds since the token was issued: long expired (tokens of this document live 30 minutes)."""
RULES = 10


def measure(quick: bool) -> Iterator[Row]:  # noqa: FBT001  the shape that main() asks for
    """The claim, and that the flood itself was turned away."""
    count = 60 if quick else 400
    with ExitStack() as stack:
        home = stack.enter_context(folder())
        _, port = stack.enter_context(application(home))
        file, https = write_document(home, document(port, RULES))
        edge = stack.enter_context(serving(home, file, https))
        person = Person(edge)
        quiet = person.refreshes(count)[count // 10 :]
        flood = stack.enter_context(Flood(person.target))
        time.sleep(1)
        loud = person.refreshes(count)[count // 10 :]
    before, after = percentile(quiet, 0.99), percentile(loud, 0.99)
    middle = f"p50 {percentile(quiet, 0.5):.1f} ms quiet, {percentile(loud, 0.5):.1f} ms in flood"
    note = f"p99 {before:.1f} ms quiet, {after:.1f} ms in flood; {middle}"
    yield Row("refresh_under_flood, p99", "ratio", after / before, GOAL, peer=1.0, note=note)
    note = f"of {flood.asked} answers to garbage"
    yield Row("refresh_under_flood, garbage let in", "requests", flood.let_in, 0, note=note)


class Person:
    """A browser whose token has expired each time it asks."""

    def __init__(self, edge: Running) -> None:
        path, groups = last(RULES)
        self.target = Target(edge.port, tls=True, host=HOST, path=path)
        self._token, self._handle = SignedIn(edge.state, HOST).refreshable(groups, AGE)

    def refreshes(self, count: int) -> list[float]:
        """Milliseconds that each of `count` refreshes took."""
        times = []
        with connect(self.target) as one:
            for _ in range(count):
                asked = request(self.target, f"{self._token}; {self._handle}")
                begun = time.perf_counter()
                one.sendall(asked)
                text = answer(one)
                times.append((time.perf_counter() - begun) * 1000)
                self._take(text)
                time.sleep(0.01)
        return times

    def _take(self, text: bytes) -> None:
        """The new handle is used the next time; the old token stays, for it is the point."""
        if not text.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"a refresh was answered: {text[:300]!r}")
        found = re.search(rf"(?i)set-cookie: *({REFRESH_COOKIE}=[^;\r]*)".encode(), text)
        if found is None or b"set-cookie" not in text.lower():
            raise RuntimeError("a refresh gave no new handle, so it was none")
        self._handle = found.group(1).decode()


class Flood:
    """1,500 connections that send garbage from a thread, until closed."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send)
        self._sockets: list[socket.socket] = []
        self.asked = self.let_in = 0

    def __enter__(self) -> Self:
        self._sockets = [connect(self._target) for _ in range(CONNECTIONS)]
        for one in self._sockets:
            one.settimeout(2)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        for one in self._sockets:
            one.close()

    def _send(self) -> None:
        """Some dozens at a time, so that their answers are read while others are on their way."""
        asked = itertools.cycle(garbage(self._target))
        turn = itertools.cycle(self._sockets)
        share = RATE // 50
        while not self._over.wait(1 / 50):
            busy = [next(turn) for _ in range(share)]
            for one in busy:
                with contextlib.suppress(OSError):
                    one.sendall(next(asked))
            self._read(busy)

    def _read(self, busy: Sequence[socket.socket]) -> None:
        for one in busy:
            with contextlib.suppress(OSError):
                self.let_in += answer(one).startswith(b"HTTP/1.1 200")
                self.asked += 1


def garbage(target: Target) -> list[bytes]:
    """Forged tokens (well formed, signed by nobody), broken ones, and no cookie at all."""
    navigation = ("Sec-Fetch-Mode: navigate", "Accept: text/html")
    made = []
    for _ in range(200):
        parts = (_text(b'{"alg":"ES256","typ":"JWT"}'), _text(secrets.token_bytes(600)))
        forged = ".".join((*parts, _text(secrets.token_bytes(64))))
        for cookie in (f"{SESSION_COOKIE}={forged}", f"{SESSION_COOKIE}=x", ""):
            made += [request(target, cookie), request(target, cookie, *navigation)]
    return made


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


if __name__ == "__main__":
    main(measure)
