"""A running `ostiary up`, from an empty state directory, and who its processes are."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from _envoys import free_port
from _load import Target, answer, connect, request
from _machine import cores, executable, family, pin, program

DOMAIN = "bench.localhost"
HOST = f"app.{DOMAIN}"


@dataclass(frozen=True, slots=True)
class Running:
    """One installation that serves."""

    pid: int
    state: Path
    port: int
    """Of its HTTPS listener."""

    def envoy(self) -> int:
        """The pid of the edge's Envoy."""
        return next(one for one in family(self.pid) if executable(one).endswith("/envoy"))

    def pythons(self) -> dict[int, str]:
        """Every other process of it: pid to name."""
        found = [one for one in family(self.pid) if not executable(one).endswith("/envoy")]
        return {one: program(one) for one in found}

    def spread(self) -> None:
        """Envoy alone on the first core, everything else on the last."""
        pin(self.envoy(), cores()[0])
        for one in self.pythons():
            pin(one, cores()[-1])


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A fresh folder with a short name (Unix sockets allow 107 bytes), gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="ost-", ignore_cleanup_errors=True) as name:
        yield Path(name)


LOCAL = "{providers: {local: {}}}"
"""Who can say who somebody is, unless a bench says otherwise."""


def gateway(port: int, identity: str = LOCAL) -> str:
    """The part of a document that every bench has."""
    return (
        f'gateway: {{https: {{port: {port}, address: 127.0.0.1, hosts: ["*.{DOMAIN}"]}}}}\n'
        f"identity: {identity}\n"
        "sessions: {token: 30m}\n"  # as if each token had been renewed just now
    )


@contextlib.contextmanager
def serving(folder: Path, document: Path, port: int, patience: float = 60.0) -> Iterator[Running]:
    """`ostiary up` on `document` has said that it is ready; afterwards it has ended."""
    state = folder / "state"
    with started(folder, document, state) as process:
        said = folder / "up.log"
        deadline = time.monotonic() + patience
        while "ready" not in said.read_text().splitlines():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"ostiary up is not ready: {said.read_text()}")
            time.sleep(0.02)
        yield Running(process.pid, state, port)


@contextlib.contextmanager
def started(folder: Path, document: Path, state: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`ostiary up` was started a moment ago."""
    program = Path(sys.executable).with_name("ostiary")
    command = [str(program), "up", str(document), "--state", str(state)]
    # Python keeps its bytecode unless it is told not to, as some images do for smaller layers.
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    with (folder / "up.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def await_ok(target: Target, patience: float, pause: float = 0.005) -> float:
    """The moment (monotonic) at which `target` first answered 200."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, ssl.SSLError), connect(target) as one:
            one.sendall(request(target, target.cookies[0]))
            if answer(one).startswith(b"HTTP/1.1 200"):
                return time.monotonic()
        time.sleep(pause)
    raise TimeoutError(f"{target.host}{target.path} never answered 200")


def status(one: socket.socket, target: Target) -> int:
    """The status of one more answer on a kept-alive connection."""
    one.sendall(request(target, target.cookies[0]))
    return int(answer(one).split(b" ", 2)[1])


def write_document(folder: Path, text: str, identity: str = LOCAL) -> tuple[Path, int]:
    """The document with our gateway on a free port: (file, port)."""
    port = free_port()
    file = folder / "gateway.yaml"
    file.write_text(gateway(port, identity) + text)
    return file, port
