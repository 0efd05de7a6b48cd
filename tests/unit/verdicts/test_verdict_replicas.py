"""Two control planes, one store: their guards hear the same things in the same order, and soon."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from uuid import uuid4

import pytest
import servers
from fake_guard import EDGE, Certificates, running

from ostiary.errors import Refused
from ostiary.store.database import Database
from ostiary.store.verdicts import Verdicts
from ostiary.trust.verdict import Effect, Kind, Verdict
from ostiary.verdicts.fanout import ValkeyFanout
from ostiary.verdicts.hub import Hub

pytestmark = pytest.mark.services

NOW = 1_800_000_000.0


def verdict(key: str) -> Verdict:
    return Verdict(uuid4(), Kind.USER, key, Effect.DENY, "left", "tests", NOW)


@pytest.fixture
def databases(fresh_postgres: Callable[[], str]) -> Iterator[tuple[Database, Database]]:
    url = fresh_postgres()
    with closing(Database(url)) as one, closing(Database(url)) as two:
        one.create()
        yield one, two


async def test_two_control_planes_tell_the_same_story(
    databases: tuple[Database, Database], valkey_url: str
) -> None:
    stores = [Verdicts(one) for one in databases]
    fanouts = [ValkeyFanout(valkey_url) for _ in stores]
    hubs = [
        Hub(store, {EDGE}.__contains__, fanout=fanout)
        for store, fanout in zip(stores, fanouts, strict=True)
    ]
    own = Certificates()
    async with (
        running(hubs[0], own) as one,
        running(hubs[1], own) as two,
        one.guard() as first,
        two.guard() as second,
    ):
        guards = (first, second)
        await asyncio.gather(*(guard.one() for guard in guards))
        reading = [asyncio.create_task(guard.read()) for guard in guards]

        async def write(number: int) -> int:
            seq, held = 0, []
            for place in range(40):
                await asyncio.sleep(0)
                if held and place % 3 == 2:
                    gone = held.pop(random.randrange(len(held)))  # noqa: S311  a test
                    seq = await asyncio.to_thread(stores[number].lift, [gone], "a", "", NOW)
                else:
                    held.append((given := verdict(f"{number}-{place}")).id)
                    seq = await asyncio.to_thread(stores[number].put, [given], "a", "", NOW)
                await hubs[number].push()
            return seq

        last = max(await asyncio.gather(write(0), write(1)))
        for hub in hubs:
            assert (await hub.settled(last, 5)).missing == ()
        for task in reading:
            task.cancel()
        assert first.epoch == second.epoch
        assert first.table.keys() == second.table.keys()
        assert len(first.table) == len(stores[0].all(NOW))
        # Deltas may be cut differently, and what was replaced meanwhile is not told: common ones
        # stand in the same order.
        common = set(first.order) & set(second.order)
        orders = [[one for one in guard.order if one in common] for guard in guards]
        assert orders[0] == orders[1]
    for fanout in fanouts:
        await fanout.close()


async def _until_heard(hub: Hub, other: Hub, store: Verdicts) -> float:
    """Seconds until a verdict that `hub` pushes is known to `other`."""
    begun = time.monotonic()
    seq = await asyncio.to_thread(store.put, [verdict("x")], "a", "", NOW)
    await hub.push()
    async with asyncio.timeout(2):
        while other._order is None or other._order.seq < seq:  # noqa: ASYNC110  the network does it
            await asyncio.sleep(0.001)
    return time.monotonic() - begun


async def test_the_fanout_is_faster_than_looking_and_looking_helps_without(
    databases: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    program = servers.valkey_program()
    if program is None:
        pytest.skip("NO VALKEY OR REDIS HERE: the fan-out was not tested")
    stores = [Verdicts(one) for one in databases]
    monkeypatch.setattr("ostiary.verdicts.hub._LOOK_SHARED", 0.25)
    with servers.valkey(program) as url:
        port = int(url.rsplit(":", 1)[1])
        fanouts = [ValkeyFanout(url) for _ in stores]
        hubs = [
            Hub(store, {EDGE}.__contains__, fanout=fanout)
            for store, fanout in zip(stores, fanouts, strict=True)
        ]
        tasks = [asyncio.create_task(hub.run()) for hub in hubs]
        await asyncio.sleep(0.3)
        quick = sorted([await _until_heard(*hubs, stores[0]) for _ in range(9)])
        assert quick[4] < 0.1, quick
    slow = [await _until_heard(*hubs, stores[0]) for _ in range(3)]
    assert max(slow) < 1.5, slow
    with servers.valkey(program, port):  # it is back: so are we
        for attempt in itertools.count():
            await asyncio.sleep(0.3)
            again = sorted([await _until_heard(*hubs, stores[0]) for _ in range(9)])
            if again[4] < 0.1:
                break
            assert attempt < 10, again
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for fanout in fanouts:
            await fanout.close()


@pytest.mark.parametrize("url", ["http://x", "x", ""])
def test_a_fanout_that_is_none_is_refused_in_words(url: str) -> None:
    with pytest.raises(Refused) as refused:
        ValkeyFanout(url)
    assert refused.value.code == "fanout-url"
