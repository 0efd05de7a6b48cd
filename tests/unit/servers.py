"""Real database servers for the tests, each for one test process, on loopback or a unix socket."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_PLACES = "/usr/lib/postgresql"
_FAST = ("fsync=off", "full_page_writes=off", "max_connections=200")
"""A machine that fails may take all of it; a server that does not, nothing that was committed."""


def postgres_programs() -> Path | None:
    """The folder with `initdb` and `postgres`; None when there is no Postgres here."""
    found = sorted(Path(_PLACES).glob("*/bin/initdb")) if Path(_PLACES).exists() else []
    if found:
        return found[-1].parent
    program = shutil.which("initdb")
    return Path(program).resolve().parent if program else None


def valkey_program() -> str | None:
    """A server that speaks Valkey's protocol."""
    return shutil.which("valkey-server") or shutil.which("redis-server")


@dataclass
class Postgres:
    """A server of its own; call it for the URL of a fresh, empty database."""

    programs: Path
    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    made: int = 0

    def __call__(self) -> str:
        self.made += 1
        name = f"test{self.made}"
        _sql(self.programs, self.port, f"CREATE DATABASE {name}")
        return f"postgresql+psycopg://ostiary@127.0.0.1:{self.port}/{name}"

    def start(self) -> None:
        """It answers, with what it had before."""
        places = [f"unix_socket_directories={self.folder}", "listen_addresses=127.0.0.1"]
        settings = [*places, f"port={self.port}", *_FAST]
        options = [word for one in settings for word in ("-c", one)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(self.programs / "postgres"), "-D", str(self.folder / "data"), *options],
                stdout=log,
                stderr=log,
                user=_nobody(),
                cwd=self.folder,
            )
        _until_up(lambda: _sql(self.programs, self.port, "SELECT 1"), self.folder / "log")

    def stop(self) -> None:
        """It is gone at once, and every connection to it."""
        if self.process is not None:
            self.process.send_signal(3)  # SIGQUIT
            self.process.wait(10)
            self.process = None


@contextmanager
def postgres(programs: Path) -> Iterator[Postgres]:
    """A server that ends with the block."""
    who = _nobody()
    folder = Path(tempfile.mkdtemp(prefix="ostiary-pg-", dir="/tmp"))
    if who is not None:
        shutil.chown(folder, who, pwd.getpwnam(who).pw_gid)
    data = folder / "data"
    made = [programs / "initdb", "-D", data, "-U", "ostiary", "-A", "trust", "-E", "UTF8", "-N"]
    subprocess.run(list(map(str, made)), check=True, capture_output=True, user=who, cwd=folder)
    server = Postgres(programs, folder, _free_port())
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def valkey(program: str, port: int = 0) -> Iterator[str]:
    """A server that keeps nothing; its URL."""
    port = port or _free_port()
    words = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    folder = tempfile.mkdtemp(prefix="ostiary-valkey-")
    process = subprocess.Popen([program, *words], stdout=subprocess.DEVNULL, cwd=folder)
    try:
        _until_up(lambda: socket.create_connection(("127.0.0.1", port), 1).close(), None)
        yield f"valkey://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def _nobody() -> str | None:
    """Whom Postgres runs as; it refuses to be root."""
    if os.getuid() != 0:
        return None
    known = {one.pw_name for one in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def _sql(programs: Path, port: int, words: str) -> None:
    psql = [str(programs / "psql"), "-h", "127.0.0.1", "-p", str(port), "-U", "ostiary"]
    subprocess.run(
        [*psql, "-qAt", "-d", "postgres", "-c", words], check=True, capture_output=True, timeout=10
    )


def _until_up(ask: Callable[[], None], log: Path | None) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            return ask()
        except (OSError, subprocess.SubprocessError):
            if time.monotonic() > deadline:
                raise AssertionError(log.read_text() if log else "it did not start") from None
            time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
