"""The control plane's certificate is rotated while verdicts flow: nothing waits, nothing is lost.

A real agent and Envoy, the real authority, hub and store.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import agent_parts as parts
import guard_library
import pytest
from test_proxy_agent_guard import guarded

from ostiary.proxy.agent import run_agent
from ostiary.proxy.events import Event, Live
from ostiary.proxy.guard import Guard
from ostiary.proxy.ports import free_port
from ostiary.store.database import Database
from ostiary.store.verdicts import Verdicts
from ostiary.trust.verdict import Effect, Kind, Verdict
from ostiary.verdicts.hub import Hub

pytestmark = pytest.mark.envoy


def verdict() -> Verdict:
    name = f"user-{uuid4()}"
    return Verdict(uuid4(), Kind.USER, name, Effect.DENY, "left", "tests", time.time())


async def until(true: Callable[[], bool], seconds: float = 15.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110  another process makes it true
            await asyncio.sleep(0.02)


@dataclass
class Site:
    """A control plane, and one proxy whose guard hears its verdicts."""

    control: parts.ControlPlane
    store: Verdicts
    hub: Hub

    async def enforced(self) -> None:
        """A new verdict is enforced at once."""
        seq = await asyncio.to_thread(self.store.put, [verdict()], "ada", "", time.time())
        await self.hub.push()
        receipt = await self.hub.settled(seq, 5)
        assert (receipt.enforced, receipt.missing) == ((parts.ME,), ())


@asynccontextmanager
async def running(folder: Path, module: Path) -> AsyncIterator[Site]:
    """The proxy is live and its guard connected."""
    (folder / "store").mkdir()
    database = Database.in_folder(folder / "store")
    database.create()
    hub, port = Hub(Verdicts(database), {parts.ME}.__contains__), free_port()
    async with parts.control_plane(folder / "control") as control:
        await control.stop()
        control.beside = (hub.handler(),)
        await control.start()
        looking = asyncio.create_task(hub.run())
        control.show(parts.view(port, "hello"))
        events: list[Event] = []
        asked = replace(
            parts.settings(folder / "proxy", control, port, events.append),
            bootstrap=guarded,
            guard=Guard(module, "1.40.0"),
        )
        agent = parts.Agent(asked, events, asyncio.create_task(run_agent(asked)))
        try:
            await agent.told(Live)
            await until(lambda: bool(hub.status()))
            yield Site(control, Verdicts(database), hub)
        finally:
            await agent.end()
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
            database.close()


async def test_a_rotated_certificate_leaves_no_gap(tmp_path: Path) -> None:
    folder = guard_library.folder()
    if folder is None:
        pytest.skip("NO GUARD: the wheel ostiary-guard is not installed")
    async with running(tmp_path, folder / "libostiary_guard.so") as site:
        await site.enforced()
        (line,) = site.hub._lines
        old = site.control.own.pair.chain
        for _ in range(3):
            site.control.own.renew()
            await site.enforced()
        assert site.control.own.pair.chain != old
        assert site.hub._lines == [line], "a rotation breaks no stream that is open"
        # Whoever comes from now on sees the new certificate only; nobody misses anything.
        await site.control.stop()
        await asyncio.to_thread(site.store.put, [verdict()], "ada", "while away", time.time())
        await site.control.start()
        await until(lambda: bool(site.hub.status()) and site.hub.status()[0].current)
        assert site.hub.status()[0].applied == 5
        await site.enforced()
        assert site.hub.status()[0].entries == 6
