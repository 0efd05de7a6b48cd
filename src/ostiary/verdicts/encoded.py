"""What guards are sent, encoded once however many of them need it.

Fed by the store; feeds `hub`. Whoever missed more than is remembered, or more than is worth telling
one by one, gets the whole table.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ostiary.verdicts import frames
from ostiary.verdicts.ports import Order, Source

MOST_CHANGES: Final = 20_000
"""Changes sent one by one."""
_REMEMBERED: Final = 64
"""Deltas; guards that are as far as each other need the same one."""
_SNAPSHOT_LIFE: Final = 5.0
"""Seconds; many guards come at once when a control plane starts."""


@dataclass(frozen=True, slots=True)
class Due:
    """Messages without their time, and how far they lead."""

    messages: Sequence[bytes]
    seq: int
    whole: bool
    """Parts of a snapshot; else deltas."""

    def stamped(self, message: bytes, now: float) -> bytes:
        """`message` as it is sent now."""
        if self.whole:
            return frames.stamped_part(message, now)
        return frames.stamped_delta(message, now)


class Encoded:
    """Lives on the control plane's event loop."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._deltas: OrderedDict[tuple[str, int, int], Due | None] = OrderedDict()
        self._snapshot: tuple[Order, Due] | None = None
        self._reading = asyncio.Lock()
        self._reading_all = asyncio.Lock()

    async def after(self, seq: int, order: Order) -> Due:
        """What leads from `seq` (below 0: from nothing) to `order`, or further."""
        if order.forgotten <= seq <= order.seq and seq >= 0:
            found = await self._changes(seq, order)
            if found is not None:
                return found
        return await self._all(order)

    async def _changes(self, first: int, order: Order) -> Due | None:
        """None when they are too many."""
        key = (order.epoch, first, order.seq)
        async with self._reading:
            if key not in self._deltas:
                self._deltas[key] = await asyncio.to_thread(self._encode, first, order.seq)
                if len(self._deltas) > _REMEMBERED:
                    self._deltas.popitem(last=False)
            return self._deltas[key]

    def _encode(self, first: int, last: int) -> Due | None:
        found = self._source.since(first, MOST_CHANGES + 1)
        if len(found) > MOST_CHANGES:
            return None
        upto = [one for one in found if one.seq <= last]
        return Due(frames.deltas(upto, first, last), last, whole=False)

    async def _all(self, order: Order) -> Due:
        async with self._reading_all:
            known = self._snapshot
            if known is not None and known[0].epoch == order.epoch and known[1].seq >= order.seq:
                return known[1]
            known = await asyncio.to_thread(self._encode_all)
            self._snapshot = known
            loop = asyncio.get_running_loop()
            loop.call_later(_SNAPSHOT_LIFE, self._let_go, known)
            return known[1]

    def _encode_all(self) -> tuple[Order, Due]:
        order, verdicts = self._source.snapshot()
        return order, Due(list(frames.snapshot(order, verdicts)), order.seq, whole=True)

    def _let_go(self, known: tuple[Order, Due]) -> None:
        if self._snapshot is known:
            self._snapshot = None
