"""The guard of this machine: found, paired with Envoy, tried before it serves, asked how it is.

Fed by the wheel `ostiary-guard`, where that is installed; feeds the agent, which never runs an
Envoy whose guard is silently off: what is wrong with it is said before anything listens.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from ostiary.errors import Refused
from ostiary.proxy.folder import BOOTSTRAP, GUARD_SOCKET, Folder

WHEEL: Final = "ostiary-guard"
"""What brings it."""
_PACKAGE: Final = "ostiary_guard"
_SEARCH_PATH: Final = "ENVOY_DYNAMIC_MODULES_SEARCH_PATH"
_TRIED: Final = "guard.tried"
"""In the proxy's folder: the digest of what was tried last and worked."""
_PATIENCE: Final = 20.0
"""Seconds a trial may take; it takes a tenth of one."""
_ANSWER: Final = 1.0
"""Seconds the guard has to say how it is."""
_LENGTH: Final = re.compile(rb"\r\ncontent-length: (\d{1,5})\r\n", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Guard:
    """An installed guard."""

    module: Path
    """The file that Envoy loads; its folder is Envoy's search path."""
    envoy: str
    """The version of Envoy it was made for."""

    def before(self, command: Sequence[str]) -> list[str]:
        """`command` as it has to be started so that Envoy finds the guard by its name."""
        return ["env", f"{_SEARCH_PATH}={self.module.parent}", *command]


@dataclass(frozen=True, slots=True)
class State:
    """What the guard inside an Envoy says of itself."""

    version: str
    envoy: str
    epoch: str
    """Of the store whose verdicts it holds; empty when it holds none."""
    applied: int
    """The last change it has."""
    entries: int
    refused: int
    """Verdicts it had no room for."""
    fresh_ms: int | None
    """Milliseconds since the control plane last confirmed the table; None for never."""
    connected: bool
    streams: int
    cuts: int
    """Streams it has ended so far."""


def installed() -> bool:
    """Whether the wheel is here; nothing of it is imported."""
    return find_spec(_PACKAGE) is not None


def found() -> Guard | None:
    """The guard that is installed; None without the wheel. Changes nothing but what is imported."""
    if not installed():
        return None
    package = import_module(_PACKAGE)
    return Guard(Path(package.module_path()), str(package.ENVOY))


def required(guard: Guard | None, envoy: str) -> Guard:
    """The guard, fit for Envoy `envoy`; raises `Refused` when there is none or it is another's."""
    if guard is None:
        raise Refused(
            "guard-missing",
            "the control plane compiles for proxies with the guard, and this machine has none",
            f"install it: pip install {WHEEL}, or `make guard-install` in a checkout",
        )
    if guard.envoy != envoy:
        raise Refused(
            "guard-other-envoy",
            f"the guard was made for Envoy {guard.envoy}, and this is Envoy {envoy}",
            f"install {WHEEL} and ostiary of the same release",
        )
    return guard


async def try_out(guard: Guard, envoy: Path, folder: Folder, bootstrap: bytes) -> None:
    """Envoy loads the guard and takes `bootstrap`; raises `Refused` with Envoy's words if not.

    Nothing listens meanwhile. What was tried before is not tried again.
    """
    digest = await asyncio.to_thread(_digest, guard, envoy, bootstrap)
    if folder.read(_TRIED) == digest:
        return
    folder.write(BOOTSTRAP, bootstrap)
    command = [str(envoy), "--mode", "validate", "--config-path", BOOTSTRAP, "--log-level", "error"]
    process = await asyncio.create_subprocess_exec(
        *guard.before(command),
        cwd=folder.path,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_PATIENCE):
            _, said = await process.communicate()
    except TimeoutError:
        said = f"no answer in {_PATIENCE:g} s".encode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise Refused(
            "guard-unusable",
            f"Envoy does not start with the guard {guard.module}: {_reason(said)}",
            f"install {WHEEL} anew; the proxy is not started without it",
        )
    folder.write(_TRIED, digest)


async def state(folder: Folder) -> State | None:
    """What the guard of the running Envoy says; None when it does not answer in a second."""
    try:
        async with asyncio.timeout(_ANSWER):
            reader, writer = await asyncio.open_unix_connection(folder.socket(GUARD_SOCKET))
            try:
                writer.write(b"GET /state HTTP/1.1\r\nhost: guard\r\n\r\n")
                head = await reader.readuntil(b"\r\n\r\n")
                length = _LENGTH.search(head)
                body = await reader.readexactly(int(length[1])) if length else b""
            finally:
                writer.close()
    except (OSError, EOFError, asyncio.LimitOverrunError):
        return None
    return read_state(body)


def read_state(body: bytes) -> State | None:
    """The state in the body of an answer; None when it is none."""
    try:
        tree = json.loads(body)
        return State(**{one.name: tree[one.name] for one in fields(State)})
    except (ValueError, KeyError, TypeError):
        return None


def _digest(guard: Guard, envoy: Path, bootstrap: bytes) -> bytes:
    """Of all that a trial depends on."""
    try:
        module = guard.module.read_bytes()
    except OSError:
        module = b""
    binary = envoy.stat()
    facts = f"{envoy} {binary.st_size} {binary.st_mtime_ns}".encode()
    parts = (hashlib.sha256(one).digest() for one in (module, bootstrap, facts))
    return hashlib.sha256(b"".join(parts)).hexdigest().encode()


def _reason(said: bytes) -> str:
    """The last thing Envoy said, without what stands before it in a line of its log."""
    lines = [line.strip() for line in said.decode(errors="replace").splitlines() if line.strip()]
    return lines[-1].rpartition("] ")[2] if lines else "it said nothing"
