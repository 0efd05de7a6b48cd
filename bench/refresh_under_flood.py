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
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Self

from _claim import Row, main, percentile
from _envoys import application
from _load import Target, answer, connect, request
from _machine import moment
from _ostiary import HOST, Running, folder, serving, write_document
from _rules import document, last
from _sessions import SignedIn

from ostiary.wire import REFRESH_COOKIE, SESSION_COOKIE

NAME = "refresh_under_flood, p99"
CONNECTIONS = 1500
RATE = 1000
"""Garbage requests a second, over all connections."""
GOAL = 2.0
AGE = 3600
"""Seconds since the token was issued: long expired (tokens of this document live 30 minutes)."""
PEOPLE = 60
"""Signed-in browsers in turn: one alone would meet the limit of the slow path per session."""
RULES = 10
STRETCH = 60
"""Refreshes in a row, quiet or in the flood."""


def measure(quick: bool) -> Iterator[Row]:  # noqa: FBT001  the shape that main() asks for
    """The claim, and that the flood itself was turned away."""
    with ExitStack() as stack:
        home = stack.enter_context(folder())
        backend, port = stack.enter_context(application(home))
        file, https = write_document(home, document(port, RULES))
        edge = stack.enter_context(serving(home, file, https))
        people = People(edge)
        ours = [backend, edge.envoy(), *edge.pythons()]
        begun = moment(ours)
        flood = stack.enter_context(Flood(people.target))
        people.refreshes(PEOPLE)
        quiet, loud = [], []
        for number in range(4 if quick else 16):
            # In turn, and the order turns too: what neighbours do must not look like the flood.
            for sends in (number % 2 == 0, number % 2 == 1):
                flood.set(sends=sends)
                (loud if sends else quiet).extend(people.refreshes(STRETCH))
        noisy = begun.noisy(moment(ours))
    before, after = percentile(quiet, 0.99), percentile(loud, 0.99)
    ratio = after / before
    middle = f"p50 {percentile(quiet, 0.5):.1f} ms quiet, {percentile(loud, 0.5):.1f} ms in flood"
    note = f"p99 {before:.1f} ms quiet, {after:.1f} ms in flood; {middle}"
    yield Row(NAME, "ratio", ratio, GOAL, noisy=noisy, peer=1.0, note=note)
    note = f"of {flood.asked} answers to garbage"
    yield Row("refresh_under_flood, garbage let in", "requests", flood.let_in, 0, note=note)


class People:
    """Browsers whose tokens have expired each time they ask; they take turns."""

    def __init__(self, edge: Running) -> None:
        path, groups = last(RULES)
        self.target = Target(edge.port, tls=True, host=HOST, path=path)
        signed_in = SignedIn(edge.state, HOST)
        self._people = deque(signed_in.refreshable(groups, AGE) for _ in range(PEOPLE))

    def refreshes(self, count: int) -> list[float]:
        """Milliseconds that each of `count` refreshes took."""
        times = []
        with connect(self.target) as one:
            for _ in range(count):
                token, handle = self._people.popleft()
                asked = request(self.target, f"{token}; {handle}")
                begun = time.perf_counter()
                one.sendall(asked)
                text = answer(one)
                times.append((time.perf_counter() - begun) * 1000)
                # The new handle is used the next time; the old token stays, for it is the point.
                self._people.append((token, _handle(text)))
                time.sleep(0.01)
        return times


def _handle(text: bytes) -> str:
    if not text.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"a refresh was answered: {text[:300]!r}")
    found = re.search(rf"(?i)set-cookie: *({REFRESH_COOKIE}=[^;\r]*)".encode(), text)
    if found is None:
        raise RuntimeError("a refresh gave no new handle, so it was none")
    return found.group(1).decode()


class Flood:
    """1,500 connections that send garbage from a thread, until closed."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._over, self._sends = threading.Event(), threading.Event()
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

    def set(self, *, sends: bool) -> None:
        """Garbage comes, or the same connections are open and silent; settled when this returns."""
        (self._sends.set if sends else self._sends.clear)()
        time.sleep(0.3)

    def _send(self) -> None:
        """Some dozens at a time, so that their answers are read while others are on their way."""
        asked = itertools.cycle(garbage(self._target))
        turn = itertools.cycle(self._sockets)
        share = RATE // 50
        while not self._over.wait(1 / 50):
            if not self._sends.is_set():
                continue
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
