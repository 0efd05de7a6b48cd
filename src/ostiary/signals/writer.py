"""From the log streams into the store, in batches, with refusals first.

The queue is bounded: when the store cannot keep up, entries are dropped and counted, the allowed
ones long before the refusals, and `status` turns red. Fed by `receiver`; feeds the store.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from ostiary.errors import OstiaryError
from ostiary.plan.record import ALLOWS_LOG, DecisionRecord

QUEUE: Final = 50_000
"""Entries of each kind that wait at most."""
BATCH: Final = 2_000
"""Entries of one transaction at most."""
PAUSE: Final = 0.1
"""Seconds in which entries gather before a transaction."""
RETRY: Final = 1.0
"""Seconds before a store that failed is asked again."""
PRUNE_EVERY: Final = 60.0
_log = structlog.get_logger("ostiary.signals")


class Ledger(Protocol):
    """Where records are kept; called from a worker thread."""

    def append(self, records: Sequence[DecisionRecord], *, dropped: int) -> None:
        """`records` are kept, and `dropped` is added to the count of those that never will be."""

    def prune(self) -> None:
        """What is over the retention is gone."""


@dataclass(frozen=True, slots=True)
class LogCounts:
    """What became of the entries since this process started."""

    received: int = 0
    written: int = 0
    dropped_denials: int = 0
    dropped_allows: int = 0
    untold: int = 0
    """Of the dropped ones, those that the ledger has not counted yet."""
    refused_streams: int = 0
    """Log streams of peers that are no proxies of ours."""
    malformed: int = 0
    """Entries that were not what we asked for; they are kept with what is known."""
    failing: str = ""
    """The store's last error, empty when it took the last batch."""

    @property
    def dropped(self) -> int:
        """More than 0 is red: `explain` cannot find these."""
        return self.dropped_denials + self.dropped_allows


class Writer:
    """Takes records at once, writes them soon. Lives on one event loop."""

    def __init__(self, ledger: Ledger, *, queue: int = QUEUE, pause: float = PAUSE) -> None:
        self._ledger = ledger
        self._limit = queue
        self._pause = pause
        self._denials: deque[DecisionRecord] = deque()
        self._allows: deque[DecisionRecord] = deque()
        self._untold = 0
        self._received = self._written = self._dropped_denials = self._dropped_allows = 0
        self._refused = self._malformed = 0
        self._failing = ""
        self._some = asyncio.Event()
        self._hurry = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def offer(self, records: Iterable[DecisionRecord]) -> None:
        """Every record is in the queue, or counted as dropped. Never waits."""
        denials, allows, limit = self._denials, self._allows, self._limit
        for record in records:
            self._received += 1
            if record.log == ALLOWS_LOG:
                if len(allows) < limit:
                    allows.append(record)
                else:
                    self._dropped_allows += 1
                    self._untold += 1
            elif len(denials) < limit:
                denials.append(record)
            else:
                self._dropped_denials += 1
                self._untold += 1
        if denials or allows or self._untold:
            self._idle.clear()
            self._some.set()

    def refused(self) -> None:
        """A stream of a stranger is counted."""
        self._refused += 1

    def malformed(self, proxy: str, reason: str) -> None:
        """An entry of `proxy` that is not what we asked for is counted; the first is told aloud."""
        if not self._malformed:
            _log.error("malformed entry in the decision log", proxy=proxy, reason=reason)
        self._malformed += 1

    def counts(self) -> LogCounts:
        """The counters now."""
        return LogCounts(
            self._received,
            self._written,
            self._dropped_denials,
            self._dropped_allows,
            self._untold,
            self._refused,
            self._malformed,
            self._failing,
        )

    async def flush(self, timeout: float = 2.0) -> None:  # noqa: ASYNC109  a bound, not a contract
        """What was offered so far is written, unless the store takes longer than `timeout`."""
        if not self._idle.is_set():
            self._hurry.set()
        try:
            await asyncio.wait_for(self._idle.wait(), timeout)
        except TimeoutError:
            return

    async def run(self) -> None:
        """Write until cancelled; what is queued then is still written, if the store takes it."""
        pruning = asyncio.create_task(self._prune())
        try:
            while True:
                await self._some.wait()
                await self._gather()
                await self._drain()
        finally:
            pruning.cancel()
            await self._last()

    async def _gather(self) -> None:
        """Wait a little, so that a transaction carries many, unless somebody asks now."""
        if len(self._denials) + len(self._allows) < BATCH:
            try:
                await asyncio.wait_for(self._hurry.wait(), self._pause)
            except TimeoutError:
                return

    async def _drain(self) -> None:
        while self._denials or self._allows or self._untold:
            batch, dropped = self._take()
            try:
                await asyncio.to_thread(self._ledger.append, batch, dropped=dropped)
            except OstiaryError as error:
                self._give_back(batch, dropped)
                if not self._failing:
                    _log.error("decision log not written", reason=str(error))
                self._failing = str(error)
                await asyncio.sleep(RETRY)
            else:
                self._written += len(batch)
                self._failing = ""
        self._some.clear()
        self._hurry.clear()
        self._idle.set()

    def _take(self) -> tuple[list[DecisionRecord], int]:
        batch = [self._denials.popleft() for _ in range(min(BATCH, len(self._denials)))]
        room = BATCH - len(batch)
        batch += [self._allows.popleft() for _ in range(min(room, len(self._allows)))]
        dropped, self._untold = self._untold, 0
        return batch, dropped

    def _give_back(self, batch: list[DecisionRecord], dropped: int) -> None:
        for record in reversed(batch):
            (self._allows if record.log == ALLOWS_LOG else self._denials).appendleft(record)
        self._untold += dropped

    async def _last(self) -> None:
        while self._denials or self._allows or self._untold:
            batch, dropped = self._take()
            try:
                self._ledger.append(batch, dropped=dropped)
            except OstiaryError as error:
                _log.error("decision log lost at the end", entries=len(batch), reason=str(error))
                return
            self._written += len(batch)

    async def _prune(self) -> None:
        while True:
            await asyncio.sleep(PRUNE_EVERY)
            try:
                await asyncio.to_thread(self._ledger.prune)
            except OstiaryError as error:
                _log.warning("decision log not pruned", reason=str(error))
