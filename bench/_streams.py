"""Thousands of open streams of events through one real Envoy with the guard.

Applications and other traffic are processes of their own: what they do takes nothing from the
client whose clock counts. Each stream has an address of its own, as a trusted hop says it.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import resource
import select
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "envoy"))
import guard_library
from envoy_process import free_port
from guard_control import Control
from guard_origin import Origin, origin
from guard_rig import Rig, running

MANY: Final = 9_000
RANGE: Final = "10.64.0.0/16"
"""Where all of them come from."""
LAST: Final = b"event: revoked"
END: Final = b"\r\n0\r\n\r\n"
_FILES: Final = 40_000
_BURST: Final = 200
"""Streams that are opened before the first of them is waited for."""


@contextlib.contextmanager
def guarded() -> Iterator[Rig]:
    """Envoy, its control plane, and two applications: for HTTP and for gRPC."""
    guard_library.needed()
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    ports = {name: free_port() for name in ("edge", "open", "mini", "control")}
    plane = Control(ports["control"])
    plane.start()
    with contextlib.ExitStack() as stack:
        stack.callback(plane.close)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        http, grpc = (stack.enter_context(_elsewhere()) for _ in range(2))
        envoy = stack.enter_context(running(folder, ports, Origin(http.http, grpc.grpc)))
        made = Rig(envoy, plane, http, ports)
        plane.settled()
        made.until(connected=True)
        yield made


@contextlib.contextmanager
def _elsewhere() -> Iterator[Origin]:
    """The application of the tests, in a process of its own."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_application, args=(there,), daemon=True)
    process.start()
    try:
        yield Origin(*here.recv())
    finally:
        here.close()
        process.join(10)


def _application(line: Connection) -> None:
    with origin() as made, contextlib.suppress(EOFError):
        line.send((made.http, made.grpc))
        line.recv()


class Streams:
    """`count` open streams of events, each from another address in `RANGE`."""

    def __init__(self, port: int, count: int = MANY) -> None:
        self.open: dict[int, socket.socket] = {}
        self.addresses: dict[int, str] = {}
        self._read: dict[int, bytes] = {}
        self._poll = select.epoll()
        for first in range(0, count, _BURST):
            fresh = [self._ask(port, n) for n in range(first, min(count, first + _BURST))]
            for one in fresh:
                self._until(one, b"data: x\n\n")

    def _ask(self, port: int, number: int) -> int:
        wire = socket.create_connection(("127.0.0.1", port), timeout=20)
        address = f"10.64.{number // 250}.{number % 250 + 1}"
        text = f"GET /quiet HTTP/1.1\r\nHost: app.test\r\nX-Forwarded-For: {address}\r\n\r\n"
        wire.sendall(text.encode())
        name = wire.fileno()
        self.open[name], self.addresses[name], self._read[name] = wire, address, b""
        self._poll.register(name, select.EPOLLIN)
        return name

    def _until(self, name: int, text: bytes) -> None:
        while text not in self._read[name]:
            piece = self.open[name].recv(65_536)
            if not piece:
                raise ConnectionError(f"closed before {text!r}: {self._read[name]!r}")
            self._read[name] += piece
        self._read[name] = b""

    def ended(self, patience: float) -> Iterator[tuple[int, float]]:
        """Each stream whose last event was read, and when; `TimeoutError` after `patience` s."""
        until = time.perf_counter() + patience
        while self.open:
            ready = self._poll.poll(max(0.0, until - time.perf_counter()))
            if not ready:
                raise TimeoutError(f"{len(self.open)} streams are still open")
            for name, _ in ready:
                piece = self.open[name].recv(65_536)
                self._read[name] += piece
                whole = LAST in self._read[name] and self._read[name].endswith(END)
                if whole:
                    yield name, time.perf_counter()
                if whole or not piece:
                    self._drop(name, whole=whole)

    def _drop(self, name: int, *, whole: bool) -> None:
        if not whole:
            raise ConnectionError(f"ended without its last event: {self._read[name]!r}")
        self._poll.unregister(name)
        self.open.pop(name).close()

    def close(self) -> None:
        """None is open."""
        for wire in self.open.values():
            wire.close()
        self._poll.close()
