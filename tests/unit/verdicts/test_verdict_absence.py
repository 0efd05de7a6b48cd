"""A guard that was away: the real engine and hub, and hours that pass by the clock's argument."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest
from fake_guard import EDGE, Certificates, running

from ostiary.store.database import Database
from ostiary.store.verdicts import KEPT, Verdicts
from ostiary.trust.verdict import Effect, Kind, Verdict
from ostiary.verdicts.hub import Hub
from ostiary.verdicts.messages import SERVICE, ToGuard

pytestmark = pytest.mark.services
NOW = 1_800_000_000.0
HOUR = 3600.0


def verdict(key: str, since: float, lasts: float = 0) -> Verdict:
    ends = since + lasts if lasts else 0
    return Verdict(uuid4(), Kind.USER, key, Effect.DENY, "left", "tests", since, expires=ends)


@dataclass
class Site:
    """A store, a hub whose clock the test turns, and guards that come and go."""

    store: Verdicts
    certificates: Certificates
    now: float = NOW

    @asynccontextmanager
    async def streaming(self, replica: Any) -> AsyncIterator[list[str]]:
        """`replica` hears what the hub says until the block ends; the kinds of what came."""
        kinds: list[str] = []
        hub = Hub(self.store, {EDGE}.__contains__, clock=lambda: self.now)
        async with (
            running(hub, self.certificates) as service,
            grpc.aio.secure_channel(
                f"localhost:{service.port}", self.certificates.client(EDGE)
            ) as channel,
        ):
            call = channel.stream_stream(f"/{SERVICE}/Stream")()
            await call.write(replica.hello())

            async def hear() -> None:
                while True:
                    raw = await call.read()
                    assert raw is not grpc.aio.EOF
                    kinds.append(ToGuard.FromString(raw).WhichOneof("kind"))
                    answer = replica.told(raw)
                    if answer is not None:
                        await call.write(answer)

            hearing = asyncio.create_task(hear())
            try:
                await self.caught_up(replica, hearing)
                yield kinds
            finally:
                hearing.cancel()
                await asyncio.gather(hearing, return_exceptions=True)

    async def caught_up(self, replica: Any, hearing: asyncio.Task[None]) -> None:
        """Returns when `replica` has all there is."""
        async with asyncio.timeout(10):
            while (replica.epoch, replica.applied) != (
                self.store.order().epoch,
                self.store.order().seq,
            ):
                if hearing.done():
                    await hearing
                await asyncio.sleep(0.01)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    pytest.importorskip("ostiary_guard", reason="NO GUARD")
    database = Database.in_folder(tmp_path)
    database.create()
    yield Site(Verdicts(database), Certificates())
    database.close()


def replica() -> Any:
    return importlib.import_module("ostiary_guard").Replica(wall_ms=int(NOW * 1000))


def denied(guard: Any, key: str) -> bool:
    found = guard.standing([("user", key)])
    return found is not None and found.effect == "deny"


def an_hour(site: Site) -> None:
    """Every second of it a verdict is given, and one of two is lifted or over within the hour."""
    for second in range(0, int(HOUR), 5):
        now = site.now + second
        lasts = 60.0 if second % 20 == 0 else 0.0
        given = verdict(f"user-{second}", now, lasts)
        site.store.put([given], "ada", "", now)
        if second % 20 == 10:
            site.store.lift([given.id], "ada", "", now + 1)
    site.now += HOUR
    site.store.expire(site.now)


async def test_after_an_hour_it_gets_what_it_missed_and_nothing_that_is_over(site: Site) -> None:
    guard = replica()
    site.store.put([verdict("kept", NOW), verdict("short", NOW, 600)], "ada", "", NOW)
    async with site.streaming(guard) as kinds:
        assert kinds == ["snapshot"]
        assert denied(guard, "short")
    an_hour(site)
    async with site.streaming(guard) as kinds:
        assert set(kinds) == {"delta"}
        assert denied(guard, "kept")
        assert denied(guard, "user-5")
        for over in ("short", "user-0", "user-10", "user-3520"):
            assert not denied(guard, over), over
        assert guard.entries == len(site.store.all(site.now))


async def test_what_was_forgotten_meanwhile_comes_as_a_whole_table(site: Site) -> None:
    guard = replica()
    kept, gone = verdict("kept", NOW), verdict("gone", NOW)
    site.store.put([kept, gone], "ada", "", NOW)
    async with site.streaming(guard):
        assert denied(guard, "gone")
    site.store.lift([gone.id], "ada", "", NOW + 1)
    an_hour(site)
    site.now += KEPT + HOUR
    site.store.expire(site.now)  # the lifted ones are forgotten: no change tells of them any more
    assert site.store.order().forgotten > guard.applied
    async with site.streaming(guard) as kinds:
        assert kinds[0] == "snapshot"
        assert denied(guard, "kept")
        assert denied(guard, "user-5")
        assert not denied(guard, "gone")
        assert guard.entries == len(site.store.all(site.now))


@pytest.mark.parametrize("off", [-2 * HOUR, 2 * HOUR])
async def test_its_own_clock_neither_shortens_nor_prolongs_a_verdict(
    site: Site, off: float
) -> None:
    guard = importlib.import_module("ostiary_guard").Replica(wall_ms=int((NOW + off) * 1000))
    site.store.put([verdict("short", NOW, 60)], "ada", "", NOW)
    async with site.streaming(guard):
        assert denied(guard, "short")
        assert guard.standing([("user", "short")], mono_ms=59_000) is not None
        assert guard.standing([("user", "short")], mono_ms=61_000) is None


async def test_a_full_table_is_filled_as_soon_as_everything_fits(site: Site) -> None:
    guard = importlib.import_module("ostiary_guard").Replica(most=10, wall_ms=int(NOW * 1000))
    given = [verdict(f"user-{number}", NOW) for number in range(13)]
    site.store.put(given[:9], "ada", "", NOW)
    async with site.streaming(guard) as kinds:
        site.store.put(given[9:], "ada", "", NOW)
        await until(lambda: guard.applied == 13)
        assert [denied(guard, f"user-{number}") for number in (9, 10, 11, 12)] == [
            True,
            False,
            False,
            False,
        ]
        site.store.lift([given[0].id], "ada", "", NOW)
        await until(lambda: guard.applied == 14)
        await asyncio.sleep(1.5)
        assert kinds.count("snapshot") == 1, "twelve do not fit into ten"
        site.store.lift([given[1].id, given[2].id], "ada", "", NOW)
        await until(lambda: denied(guard, "user-12"))
        assert all(denied(guard, f"user-{number}") for number in range(3, 13))
        assert kinds.count("snapshot") == 2
        await asyncio.sleep(1.5)
        assert kinds.count("snapshot") == 2, "and that is all"


async def until(true: Callable[[], bool], seconds: float = 8.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110  another task makes it true
            await asyncio.sleep(0.02)
