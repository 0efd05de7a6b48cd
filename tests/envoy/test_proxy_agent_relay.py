"""The agent's relay with a real Envoy: through, on the spare, and through again."""

import asyncio
import os
import signal
from pathlib import Path

import agent_parts as parts
import pytest

from ostiary.proxy.events import Away, Live, OnSpare, Through
from ostiary.proxy.ports import free_port

pytestmark = pytest.mark.envoy


async def test_a_proxy_outlives_its_control_plane_and_comes_back(tmp_path: Path) -> None:
    port = free_port()
    async with parts.control_plane(tmp_path / "control") as control:
        control.show(parts.view(port, "one"))
        async with parts.agent(tmp_path / "proxy", control, port) as agent:
            live = await agent.told(Live)
            mine = parts.svid_of(control.authority)
            await parts.until(port, mine, tmp_path, "one")
            control.show(parts.view(port, "two"))
            await parts.until(port, mine, tmp_path, "two")
            await _kept(tmp_path / "proxy", number=2)

            await control.stop()
            await agent.told(Away)
            assert await asyncio.to_thread(parts.ask, port, mine, tmp_path) == "two"
            assert not [event for event in agent.events if isinstance(event, OnSpare)]
            os.kill(live.pid, signal.SIGKILL)
            assert (await agent.told(OnSpare)).number == 2
            await agent.told(Live, times=2)
            await parts.until(port, mine, tmp_path, "two")

            control.show(parts.view(port, "three"))
            await control.start()
            await agent.told(Through)
            await parts.until(port, mine, tmp_path, "three")


async def test_an_agent_starts_without_a_control_plane(tmp_path: Path) -> None:
    port = free_port()
    async with parts.control_plane(tmp_path / "control") as control:
        control.show(parts.view(port, "one"))
        async with parts.agent(tmp_path / "proxy", control, port) as agent:
            await agent.told(Live)
            await _kept(tmp_path / "proxy", number=1)
        await control.stop()
        async with parts.agent(tmp_path / "proxy", control, port) as agent:
            await agent.told(Live)
            await parts.until(port, parts.svid_of(control.authority), tmp_path, "one")


async def test_an_older_spare_never_takes_a_live_proxy_back(tmp_path: Path) -> None:
    """What Envoy accepted last may not be on disk yet when the control plane dies."""
    port = free_port()
    async with parts.control_plane(tmp_path / "control") as control:
        control.show(parts.view(port, "old"))
        async with parts.agent(tmp_path / "proxy", control, port) as agent:
            await agent.told(Live)
            await _kept(tmp_path / "proxy", number=1)
            control.frozen = control.visible(parts.ME)
            control.show(parts.view(port, "new"))
            mine = parts.svid_of(control.authority)
            await parts.until(port, mine, tmp_path, "new")
            await control.stop()
            await agent.told(Away)
            await asyncio.sleep(2)  # Envoy asks again meanwhile
            assert await asyncio.to_thread(parts.ask, port, mine, tmp_path) == "new"


async def _kept(folder: Path, number: int) -> None:
    """Returns when the snapshot with this number is on disk."""
    stamp = folder / "spare" / "stamp.json"
    async with asyncio.timeout(5):
        while f'"number": {number}' not in _text(stamp):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def _text(file: Path) -> str:
    return file.read_text() if file.exists() else ""
