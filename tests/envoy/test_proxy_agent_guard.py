"""The agent and the guard: tried before it serves, heard while it does, never silently off."""

import asyncio
import importlib
import re
import shutil
import stat
import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import agent_parts as parts
import grpc
import guard_library
import pytest

from ostiary.compiler.bootstrap import GuardFiles, bootstrap
from ostiary.errors import Refused
from ostiary.protos.descriptors import envoy_binary
from ostiary.proxy.agent import run_agent
from ostiary.proxy.envoy import is_ready
from ostiary.proxy.events import Deaf, Event, Live, Told
from ostiary.proxy.folder import (
    ADMIN_SOCKET,
    CONTROL_SOCKET,
    GUARD_SOCKET,
    VERDICTS,
)
from ostiary.proxy.guard import Guard, State, state
from ostiary.proxy.ports import free_port

pytestmark = pytest.mark.envoy
STREAM = "/ostiary.verdicts.v1.Verdicts/Stream"
_HOOK = re.compile(rb"(?<=\0)envoy_dynamic_module_on_[a-z0-9_]+(?=\0)")
_OURS = re.compile(rb".*_on_(program|http_filter|network_filter|early_header_mutation)_.*")


@pytest.fixture
def guard() -> Guard:
    folder = guard_library.folder()
    if folder is None:
        pytest.skip("NO GUARD: the wheel ostiary-guard is not installed")
    return Guard(folder / "libostiary_guard.so", "1.40.0")


def guarded() -> bytes:
    files = GuardFiles(GUARD_SOCKET, VERDICTS)
    made: bytes = bootstrap(
        parts.ME, parts.DOMAIN, CONTROL_SOCKET, ADMIN_SOCKET, files
    ).SerializeToString()
    return made


def test_every_hook_of_this_envoy_is_there(guard: Guard) -> None:
    """Envoy finds hooks by name; one that is missing would let a request pass unseen."""
    asked = set(_HOOK.findall(envoy_binary().read_bytes()))
    exported = set(_HOOK.findall(guard.module.read_bytes()))
    wanted = {name for name in asked if _OURS.fullmatch(name)}
    assert len(wanted) > 30
    assert wanted <= exported
    assert exported <= asked


def test_the_wheel_was_made_for_the_pinned_envoy() -> None:
    wheel = pytest.importorskip("ostiary_guard", reason="NO GUARD")
    assert wheel.module_path().is_file()
    said = subprocess.run(
        [envoy_binary(), "--version"], capture_output=True, text=True, check=True, timeout=20
    )
    assert f"/{wheel.ENVOY}/" in said.stdout


@pytest.mark.skipif(not shutil.which("cc"), reason="NO C COMPILER: no false module can be made")
@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("", "program_init"),
        ('const char *envoy_dynamic_module_on_program_init(void) { return "v9"; }', ""),
        (None, ""),
    ],
    ids=["no module", "another interface", "no file"],
)
async def test_a_module_that_envoy_does_not_take_starts_no_proxy(
    tmp_path: Path, source: str | None, words: str
) -> None:
    module = tmp_path / "wheel/libostiary_guard.so"
    module.parent.mkdir()
    if source is not None:
        code = tmp_path / "false.c"
        code.write_text(source)
        command = ["cc", "-shared", "-fPIC", "-o", module, code]
        await asyncio.to_thread(subprocess.run, command, check=True, timeout=60)
    port, events = free_port(), list[Event]()
    async with parts.control_plane(tmp_path / "control") as control:
        asked = replace(
            parts.settings(tmp_path / "proxy", control, port, events.append),
            bootstrap=guarded,
            guard=Guard(module, "1.40.0"),
        )
        with pytest.raises(Refused, match="does not start with the guard") as refused:
            await run_agent(asked)
    assert refused.value.code == "guard-unusable"
    assert words in refused.value.message
    assert not [event for event in events if isinstance(event, Live)]
    assert not (tmp_path / "proxy" / ADMIN_SOCKET).exists()


async def test_what_was_tried_is_not_tried_again(tmp_path: Path, guard: Guard) -> None:
    starts, envoy, port = tmp_path / "starts", tmp_path / "envoy", free_port()
    envoy.write_text(f'#!/bin/sh\necho "$@" >>{starts}\nexec {envoy_binary()} "$@"\n')
    envoy.chmod(0o755)
    async with parts.control_plane(tmp_path / "control") as control:
        control.show(parts.view(port, "hello"))
        for _ in range(2):
            events: list[Event] = []
            asked = replace(
                parts.settings(tmp_path / "proxy", control, port, events.append),
                bootstrap=guarded,
                guard=guard,
                envoy=envoy,
            )
            agent = parts.Agent(asked, events, asyncio.create_task(run_agent(asked)))
            await agent.told(Live)
            await agent.end()
    trials = ["validate" in line for line in starts.read_text().splitlines()]
    assert trials == [True, False, False]


async def test_the_guard_says_how_it_is_and_whether_verdicts_arrive(
    tmp_path: Path, guard: Guard
) -> None:
    engines = importlib.import_module("ostiary_guard")
    port, there = free_port(), asyncio.Event()

    async def stream(said: AsyncIterator[bytes], _context: Any) -> AsyncIterator[bytes]:
        await anext(aiter(said))
        there.set()
        yield _snapshot(engines.verdict(b"v" * 16, "user", "ada", "deny", reason="left"))
        await asyncio.sleep(60)

    handler = grpc.stream_stream_rpc_method_handler(stream)
    service, method = STREAM.strip("/").split("/")
    async with parts.control_plane(tmp_path / "control") as control:
        control.show(parts.view(port, "hello"))
        events: list[Event] = []
        asked = replace(
            parts.settings(tmp_path / "proxy", control, port, events.append),
            bootstrap=guarded,
            guard=guard,
        )
        agent = parts.Agent(asked, events, asyncio.create_task(run_agent(asked)))
        try:
            await agent.told(Live)
            await agent.told(Deaf)  # nobody answers its stream
            await control.stop()
            control.beside = (grpc.method_handlers_generic_handler(service, {method: handler}),)
            await control.start()
            assert (await agent.told(Told)).entries == 1
            assert there.is_set()
            told = await _state(tmp_path / "proxy")
            assert (told.envoy, told.epoch, told.applied, told.connected) == (
                "1.40.0",
                "e",
                1,
                True,
            )
            mode = (tmp_path / "proxy" / GUARD_SOCKET).stat().st_mode
            assert stat.S_IMODE(mode) == 0o600
        finally:
            await agent.end()


def _snapshot(verdict: bytes) -> bytes:
    """`ToGuard.snapshot` with all there is, by hand: epoch, seq, last, verdicts, time."""
    content = b"\x0a\x01e" + b"\x10\x01" + b"\x20\x01" + b"\x2a" + bytes([len(verdict)]) + verdict
    content += b"\x30\x01"
    return b"\x0a" + bytes([len(content)]) + content


async def _state(path: Path) -> State:
    """As the agent asks, but the folder is the agent's: the socket's path must be short here."""

    class Open:
        def socket(self, name: str) -> str:
            return str(path / name)

    assert await is_ready(Open())  # type: ignore[arg-type]
    found = await state(Open())  # type: ignore[arg-type]
    assert found is not None
    return found
