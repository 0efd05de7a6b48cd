"""The stream to the guards over real mutual TLS, with a guard that has no table."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import grpc
import pytest
from fake_guard import EDGE, OTHER, Certificates, FakeGuard, Running, running

from ostiary.errors import Unreachable
from ostiary.store.database import Database
from ostiary.store.verdicts import Verdicts
from ostiary.trust.verdict import Effect, Kind, Verdict
from ostiary.verdicts import encoded
from ostiary.verdicts.hub import HEARTBEAT, Hub
from ostiary.verdicts.messages import FromGuard

pytestmark = pytest.mark.services

NOW = 1_800_000_000.0


def verdict(key: str, **more: float) -> Verdict:
    return Verdict(
        uuid4(),
        Kind.USER,
        key,
        Effect.DENY,
        "left",
        "tests",
        since=NOW,
        expires=more.get("ends", 0),
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Verdicts]:
    database = Database.in_folder(tmp_path)
    database.create()
    yield Verdicts(database)
    database.close()


@pytest.fixture(scope="module")
def certificates() -> Certificates:
    return Certificates()


@pytest.fixture
async def service(store: Verdicts, certificates: Certificates) -> AsyncIterator[Running]:
    async with running(Hub(store, {EDGE, OTHER}.__contains__), certificates) as found:
        yield found


async def give(service: Running, store: Verdicts, *keys: str) -> int:
    seq = store.put([verdict(key) for key in keys], "ada", "why", NOW)
    await service.hub.push()
    return seq


async def test_a_new_guard_gets_everything_and_then_each_change(
    service: Running, store: Verdicts
) -> None:
    store.put([verdict("ada"), verdict("bob")], "ada", "why", NOW)
    async with service.guard() as guard:
        await guard.until(2)
        assert {one.key for one in guard.table.values()} == {"ada", "bob"}
        first = next(iter(guard.table.values()))
        assert (first.kind, first.effect, first.reason, first.since_ms) == (
            1,
            1,
            "left",
            NOW * 1000,
        )
        assert await give(service, store, "eve") == 3
        await guard.until(3)
        assert guard.heard == [("snapshot", 2), ("delta", 3)]
        assert {one.key for one in guard.table.values()} == {"ada", "bob", "eve"}


async def test_a_receipt_comes_when_all_enforce_it_and_names_who_does_not(
    service: Running, store: Verdicts
) -> None:
    async with service.guard() as quick, service.guard(OTHER) as mute:
        await quick.one()
        await mute.one()
        reading = asyncio.create_task(quick.read())
        seq = await give(service, store, "ada")
        receipt = await service.hub.settled(seq, 0.2)
        assert (receipt.enforced, receipt.missing) == ((EDGE,), (OTHER,))
        assert receipt.seconds >= 0.2
        await mute.until(seq)
        begun = time.monotonic()
        receipt = await service.hub.settled(seq)
        assert (receipt.enforced, receipt.missing) == ((EDGE, OTHER), ())
        assert time.monotonic() - begun < 0.5
        reading.cancel()


async def test_a_guard_that_goes_away_meanwhile_is_named_and_not_waited_for(
    service: Running, store: Verdicts
) -> None:
    async with service.guard() as guard:
        guard.acks = False
        await guard.one()
        seq = await give(service, store, "ada")
        waiting = asyncio.create_task(service.hub.settled(seq, 5))
        await asyncio.sleep(0.05)
    begun = time.monotonic()
    assert (await waiting).missing == (EDGE,)
    assert time.monotonic() - begun < 2


async def test_a_table_without_room_does_not_count_as_enforced(
    service: Running, store: Verdicts
) -> None:
    async with service.guard() as guard:
        guard.refused = 1
        await guard.one()
        seq = await give(service, store, "ada")
        await guard.until(seq)
        assert (await service.hub.settled(seq, 0.1)).missing == (EDGE,)
        assert [one.refused for one in service.hub.status()] == [1]


async def test_a_guard_that_comes_again_gets_what_it_missed(
    service: Running, store: Verdicts
) -> None:
    seq = await give(service, store, "ada")
    async with service.guard() as guard:
        await guard.until(seq)
        epoch = guard.epoch
    ids = [one.id for one in store.all(NOW)]
    store.lift(ids, "ada", "why", NOW)
    seq = await give(service, store, "bob")
    async with service.guard(epoch=epoch, applied=1) as guard:
        await guard.until(seq)
        assert guard.heard == [("delta", 3)]
        assert [which for which, _ in guard.order] == ["lift", "put"]


@pytest.mark.parametrize(("epoch", "applied"), [("another", 1), (None, 99)])
async def test_a_guard_of_another_store_or_from_the_future_gets_the_whole_table(
    service: Running, store: Verdicts, epoch: str | None, applied: int
) -> None:
    seq = await give(service, store, "ada")
    known = store.order().epoch if epoch is None else epoch
    async with service.guard(epoch=known, applied=applied) as guard:
        guard.applied = 0
        await guard.until(seq)
        assert guard.heard == [("snapshot", 1)]
        assert guard.epoch == store.order().epoch


async def test_who_was_away_for_longer_than_is_remembered_gets_the_whole_table(
    service: Running, store: Verdicts
) -> None:
    await give(service, store, "ada", "bob")
    epoch = store.order().epoch
    store.lift([store.all(NOW)[0].id], "ada", "why", NOW)
    store.expire(NOW + 100 * 86_400)
    async with service.guard(epoch=epoch, applied=1) as guard:
        await guard.one()
        assert guard.heard == [("snapshot", 3)]
        assert len(guard.table) == 1


async def test_a_heartbeat_every_two_seconds_when_there_is_nothing_else(
    service: Running, store: Verdicts
) -> None:
    async with service.guard() as guard:
        await guard.one()
        begun = time.monotonic()
        assert await guard.one() == "heartbeat"
        assert HEARTBEAT - 0.2 < time.monotonic() - begun < HEARTBEAT + 1


async def test_no_heartbeat_says_that_all_is_well_while_the_store_is_away(
    service: Running, store: Verdicts, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with service.guard() as guard:
        await guard.one()

        def away(*_: object) -> bool:
            raise Unreachable("store-unreachable", "away")

        monkeypatch.setattr(store, "order", away)
        monkeypatch.setattr(store, "expire", away)
        await asyncio.sleep(HEARTBEAT + 0.1)
        with pytest.raises(TimeoutError):
            await guard.one(HEARTBEAT + 0.5)
        assert service.hub.trouble == "away"


async def test_ten_thousand_verdicts_in_a_second_flow_to_every_guard(
    service: Running, store: Verdicts
) -> None:
    async with service.guard() as one, service.guard(OTHER) as two:
        await one.one()
        await two.one()
        reading = [asyncio.create_task(guard.read()) for guard in (one, two)]
        begun = time.monotonic()
        for start in range(0, 10_000, 500):
            many = [verdict(f"user-{start + place}") for place in range(500)]
            seq = await asyncio.to_thread(store.put, many, "ada", "why", NOW)
            await service.hub.push()
        receipt = await service.hub.settled(seq, 5)
        took = time.monotonic() - begun
        for task in reading:
            task.cancel()
        assert receipt.missing == ()
        assert len(one.table) == len(two.table) == 10_000
        assert one.order == two.order
        assert took < 5, took
        assert max(one.sizes) <= 1 << 20


async def test_more_changes_than_are_told_one_by_one_become_a_snapshot_in_parts(
    service: Running, store: Verdicts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoded, "MOST_CHANGES", 1000)
    seq = await give(service, store, "ada")
    async with service.guard() as guard:
        await guard.until(seq)
        long = "k" * 1000
        seq = await give(service, store, *(f"{long}{place}" for place in range(1200)))
        await guard.until(seq)
        assert {kind for kind, _ in guard.heard} == {"snapshot"}
        assert len(guard.sizes) > 3
        assert max(guard.sizes) <= 1 << 20
        assert len(guard.table) == 1201


async def test_a_guard_that_does_not_read_delays_nobody_and_costs_a_bounded_amount(
    service: Running, store: Verdicts
) -> None:
    async with service.guard() as quick, service.guard(OTHER):
        await quick.one()
        reading = asyncio.create_task(quick.read())
        long = "k" * 1000
        for round_ in range(20):
            seq = await give(service, store, *(f"{long}{round_}-{n}" for n in range(300)))
            receipt = await service.hub.settled(seq, 0)
            async with asyncio.timeout(2):
                while EDGE not in receipt.enforced:
                    receipt = await service.hub.settled(seq, 0.01)
        reading.cancel()
        slow = next(one for one in service.hub._lines if one.proxy == OTHER)
        assert slow.sent < seq  # it waits for itself; nothing is queued for it
        status = {one.proxy: one for one in service.hub.status()}
        assert status[EDGE].current
        assert not status[OTHER].current
        assert status[OTHER].behind > 0


async def test_two_envoys_may_have_one_identity(service: Running, store: Verdicts) -> None:
    async with service.guard() as one, service.guard() as two:
        await one.one()
        await two.one()
        seq = await give(service, store, "ada")
        await one.until(seq)
        assert (await service.hub.settled(seq, 0.1)).missing == (EDGE,)
        await two.until(seq)
        assert (await service.hub.settled(seq, 0.5)).enforced == (EDGE,)


async def test_who_is_no_proxy_of_ours_gets_nothing(service: Running) -> None:
    async with service.guard() as ours, service.guard(f"{EDGE}-stranger", hello=False) as guard:
        await ours.one()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await guard.call.read()
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_a_proxy_that_is_taken_out_loses_its_stream(
    store: Verdicts, certificates: Certificates
) -> None:
    known = {EDGE}
    hub = Hub(store, known.__contains__)
    async with running(hub, certificates) as service, service.guard() as guard:
        await guard.one()
        known.clear()
        await give(service, store, "ada")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await guard.call.read()
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_guards_wait_a_little_for_a_control_plane_that_starts(
    store: Verdicts, certificates: Certificates
) -> None:
    known: set[str] = set()
    hub = Hub(store, known.__contains__)
    async with running(hub, certificates) as service, service.guard() as guard:
        await asyncio.sleep(0.2)
        known.add(EDGE)
        assert await guard.one() == "snapshot"


def ack() -> bytes:
    made = FromGuard()
    made.ack.applied = 1
    return bytes(made.SerializeToString())


@pytest.mark.parametrize("nonsense", [ack(), b"", b"\xff\xff\xff", b"\x52\x01\x00"])
async def test_nonsense_ends_the_stream(service: Running, nonsense: bytes) -> None:
    async with service.guard(hello=False) as guard:
        await guard.call.write(nonsense)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await guard.call.read()
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert service.hub.status() == []


async def test_cuts_are_counted_and_signing_keys_kept(service: Running) -> None:
    async with service.guard(hello=False) as guard:
        await guard.hello("0.2.0", b"\x04" * 65)
        await guard.one()
        made = FromGuard()
        made.cut.id, made.cut.streams = uuid4().bytes, 7
        await guard.say(made)
        await guard.ack()
        await _until(lambda: any(one.cuts for one in service.hub.status()))
        (status,) = service.hub.status()
        assert (status.cuts, status.guard, status.current) == (7, "0.2.0", True)
        assert service.hub.signing_keys() == [b"\x04" * 65]


async def test_what_is_over_is_lifted_and_the_guards_hear_it(
    store: Verdicts, certificates: Certificates
) -> None:
    now = [NOW]
    hub = Hub(store, {EDGE}.__contains__, clock=lambda: now[0])
    async with running(hub, certificates) as service, service.guard() as guard:
        store.put([verdict("ada", ends=NOW + 60)], "ada", "why", NOW)
        await guard.until(1)
        now[0] += 61
        await guard.until(2)
        assert guard.table == {}
        assert [one.deed for one in store.audit(9)] == ["expire", "put"]


async def test_a_control_plane_that_starts_again_sends_only_what_is_new(
    store: Verdicts, certificates: Certificates
) -> None:
    async with running(Hub(store, {EDGE}.__contains__), certificates) as service:
        seq = await give(service, store, "ada")
        async with service.guard() as guard:
            await guard.until(seq)
            epoch = guard.epoch
    store.put([verdict("bob")], "ada", "written while it was away", NOW)
    async with (
        running(Hub(store, {EDGE}.__contains__), certificates) as service,
        service.guard(epoch=epoch, applied=seq) as guard,
    ):
        await guard.until(2)
        assert guard.heard == [("delta", 2)]


async def test_a_burst_about_one_key_keeps_its_order(service: Running, store: Verdicts) -> None:
    async with service.guard() as guard:
        await guard.one()
        reading = asyncio.create_task(guard.read())
        for _ in range(50):
            given = verdict("ada")
            store.put([given], "ada", "why", NOW)
            seq = store.lift([given.id], "ada", "why", NOW)
            await service.hub.push()
        last = verdict("ada")
        seq = store.put([last], "ada", "why", NOW)
        await service.hub.push()
        assert (await service.hub.settled(seq, 5)).missing == ()
        reading.cancel()
        assert list(guard.table) == [last.id]


async def _until(true: object, seconds: float = 2.0) -> None:
    assert callable(true)
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110  another task makes it true
            await asyncio.sleep(0.01)


def test_the_fake_guard_is_as_strict_as_a_real_one() -> None:
    guard = FakeGuard(None, "e", 1)
    with pytest.raises(AssertionError):
        guard._delta(type("D", (), {"from": 0, "seq": 2, "changes": []})())
