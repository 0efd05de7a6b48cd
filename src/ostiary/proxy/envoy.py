"""One Envoy process: started in its folder, watched, started again, ended.

Fed by `agent`; feeds `app` with events. Nothing of it survives its agent, however the agent ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import structlog

from ostiary.errors import Refused
from ostiary.proxy import leash
from ostiary.proxy.events import Died, Live, Tell, Trouble
from ostiary.proxy.folder import ADMIN_SOCKET, BOOTSTRAP, ENVOY_LOG, GUARD_SOCKET, Folder
from ostiary.proxy.guard import Guard
from ostiary.proxy.ports import require_free

_FIRST, _LONGEST = 0.2, 10.0
"""Seconds until a dead Envoy is started again: doubled from the first to the longest."""
_SETTLED: Final = 30.0
"""Seconds of life after which the next death counts as the first."""
_LOOK: Final = 0.02
"""Seconds between two looks at a starting Envoy."""
_PATIENCE: Final = 1.0
"""Seconds the admin interface has to answer."""
_PORT_LOOK: Final = 1.0
"""Seconds between two looks whether a taken port is free."""
_GRACE: Final = 5.0
"""Seconds from SIGTERM to SIGKILL."""
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Command:
    """What to start."""

    binary: Path
    bootstrap: Callable[[], bytes]
    """A serialised `envoy.config.bootstrap.v3.Bootstrap`; asked before every start."""
    listeners: Sequence[tuple[str, int]]
    """Addresses that must be free before a start."""
    concurrency: int
    """Worker threads."""
    log_level: str
    guard: Guard | None = None
    """What Envoy must be able to load."""

    def words(self) -> list[str]:
        """The command line, for a start in the proxy's folder."""
        words = [str(self.binary), "--config-path", BOOTSTRAP, "--disable-hot-restart"]
        words += ["--concurrency", str(self.concurrency), "--log-level", self.log_level]
        return self.guard.before(words) if self.guard else words


class Envoy:
    """Keeps one Envoy running in `folder` while `run()` runs."""

    def __init__(self, folder: Folder, command: Command, tell: Tell) -> None:
        self._folder = folder
        self._command = command
        self._tell = tell

    async def run(self) -> None:
        """Starts Envoy, and again whenever it dies; on cancel, no process is left.

        Raises `Refused` when a listener's port is taken at the first start.
        """
        pause = _FIRST
        self._require_ports()
        while True:
            started = asyncio.get_running_loop().time()
            status = await self._live_once()
            lived = asyncio.get_running_loop().time() - started
            pause = _FIRST if lived > _SETTLED else pause
            self._tell(Died(status, pause))
            _log.error("Envoy died", folder=str(self._folder.path), status=status, pause=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST)
            await self._wait_for_ports()

    async def _live_once(self) -> int:
        process = await self._start()
        watch = asyncio.get_running_loop().create_task(self._watch(process.pid))
        try:
            return await process.wait()
        finally:
            watch.cancel()
            await _end(process)

    async def _start(self) -> asyncio.subprocess.Process:
        self._folder.write(BOOTSTRAP, self._command.bootstrap())
        for socket in (ADMIN_SOCKET, GUARD_SOCKET):
            (self._folder.path / socket).unlink(missing_ok=True)
        with _open_log(self._folder) as log:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-S",
                str(Path(leash.__file__)),
                str(os.getpid()),
                *self._command.words(),
                cwd=self._folder.path,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def _watch(self, pid: int) -> None:
        """Tells once that Envoy is live."""
        while not await is_ready(self._folder):  # noqa: ASYNC110  another process cannot set events
            await asyncio.sleep(_LOOK)
        self._tell(Live(pid))

    def _require_ports(self) -> None:
        for address, port in self._command.listeners:
            require_free(address, port)

    async def _wait_for_ports(self) -> None:
        told = ""
        while True:
            try:
                return self._require_ports()
            except Refused as error:
                if told != error.message:
                    _log.error("Envoy not started again", error=str(error))
                    self._tell(Trouble(error.code, error.message, error.hint))
                told = error.message
                await asyncio.sleep(_PORT_LOOK)


async def is_ready(folder: Folder) -> bool:
    """Whether the Envoy of this folder takes connections (`/ready` of its admin interface)."""
    try:
        async with asyncio.timeout(_PATIENCE):
            reader, writer = await asyncio.open_unix_connection(folder.socket(ADMIN_SOCKET))
            try:
                writer.write(b"GET /ready HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n")
                return (await reader.readline()).startswith(b"HTTP/1.1 200 ")
            finally:
                writer.close()
    except OSError:
        return False


def _open_log(folder: Folder) -> BinaryIO:
    handle = os.open(
        folder.path / ENVOY_LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
    )
    return os.fdopen(handle, "ab")


async def _end(process: asyncio.subprocess.Process) -> None:
    """The process is gone and reaped, even if this is cancelled meanwhile."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GRACE):
                await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
