"""The writer never waits for the store, never loses a refusal to an allowed request, and counts."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Sequence

from signals_entries import ALLOWS_LOG, DENIALS_LOG, EDGE, entry

from ostiary.errors import Unreachable
from ostiary.plan.record import DecisionRecord
from ostiary.signals import Writer
from ostiary.signals.parse import parse


def records(log: str, number: int) -> list[DecisionRecord]:
    return [parse(entry(id=f"{log}-{one}"), EDGE, log) for one in range(number)]


class Shelf:
    """A ledger in memory, which can be shut for a while."""

    def __init__(self) -> None:
        self.kept: list[DecisionRecord] = []
        self.dropped = 0
        self.batches = 0
        self.broken = False
        self.open = threading.Event()
        self.open.set()

    def append(self, found: Sequence[DecisionRecord], *, dropped: int) -> None:
        self.open.wait(5)
        if self.broken:
            raise Unreachable("store-unreachable", "the disk is full")
        self.kept += found
        self.dropped += dropped
        self.batches += 1

    def prune(self) -> None:
        raise AssertionError("not within a test's time")


@contextlib.asynccontextmanager
async def running(writer: Writer) -> AsyncIterator[None]:
    task = asyncio.create_task(writer.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_what_is_offered_is_written_in_few_batches() -> None:
    shelf = Shelf()
    writer = Writer(shelf)
    async with running(writer):
        for one in records(ALLOWS_LOG, 500):
            writer.offer([one])
        await writer.flush()
    assert len(shelf.kept) == 500
    assert shelf.batches <= 2
    assert writer.counts().written == writer.counts().received == 500


async def test_refusals_go_first_and_outlive_a_flood_of_allows() -> None:
    shelf = Shelf()
    writer = Writer(shelf, queue=100)
    writer.offer(records(ALLOWS_LOG, 1_000))
    writer.offer(records(DENIALS_LOG, 100))
    async with running(writer):
        await writer.flush()
    assert [one.log for one in shelf.kept[:100]] == [DENIALS_LOG] * 100
    counts = writer.counts()
    assert (counts.dropped_denials, counts.dropped_allows) == (0, 900)
    assert counts.dropped == shelf.dropped == 900


async def test_a_flood_of_refusals_is_bounded_and_counted() -> None:
    shelf = Shelf()
    writer = Writer(shelf, queue=10)
    writer.offer(records(DENIALS_LOG, 25))
    assert writer.counts().dropped_denials == 15
    async with running(writer):
        await writer.flush()
    assert (len(shelf.kept), shelf.dropped) == (10, 15)


async def test_a_store_that_fails_is_asked_again_and_nothing_is_lost() -> None:
    shelf = Shelf()
    shelf.broken = True
    writer = Writer(shelf, pause=0.01)
    async with running(writer):
        writer.offer(records(DENIALS_LOG, 3))
        await writer.flush(0.2)
        assert "disk is full" in writer.counts().failing
        shelf.broken = False
        await writer.flush(5)
    assert [one.id for one in shelf.kept] == [f"{DENIALS_LOG}-{one}" for one in range(3)]
    assert writer.counts().failing == ""


async def test_a_slow_store_does_not_hold_up_the_loop() -> None:
    shelf = Shelf()
    shelf.open.clear()
    writer = Writer(shelf, pause=0)
    async with running(writer):
        writer.offer(records(DENIALS_LOG, 1))
        await writer.flush(0.05)  # gives up in time
        writer.offer(records(DENIALS_LOG, 1))
        assert shelf.kept == []
        shelf.open.set()
        await writer.flush()
        assert len(shelf.kept) == 2


async def test_the_end_writes_what_is_queued() -> None:
    shelf = Shelf()
    writer = Writer(shelf, pause=60)
    async with running(writer):
        writer.offer(records(ALLOWS_LOG, 4))
        await asyncio.sleep(0)
    assert len(shelf.kept) == 4
