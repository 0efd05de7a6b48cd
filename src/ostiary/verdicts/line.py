"""One stream of one guard: what it was sent, and what it says it has.

Fed by `hub` with messages; feeds `hub` and the status page. No input or output.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any, Final

from ostiary.verdicts.ports import GuardStatus, Order

_LONGEST_WORD: Final = 64
"""Characters of a version that are kept."""
_POINT: Final = 65
"""Bytes of an uncompressed point on P-256."""


class Nonsense(Exception):
    """A guard said what no guard says here; its stream ends."""


@dataclass(eq=False, slots=True)
class Line:
    """Made when the stream is; several equal Envoys may have one id."""

    proxy: str
    hello: tuple[str, int] | None = None
    """The epoch and number that it came with."""
    epoch: str = ""
    sent: int = -1
    """How far in `epoch` it was sent everything; -1: it needs the whole table."""
    said: str = ""
    """The epoch of its last Ack."""
    applied: int = -1
    entries: int = 0
    refused: int = 0
    room: int = 0
    """Verdicts that its table holds at most, as far as is known: it was full with so many."""
    refilling: bool = False
    """The whole table is under way again, because it has room now."""
    guard: str = ""
    signing_key: bytes = b""
    cuts: int = 0
    nonsense: str = ""
    told: float | None = None
    late_since: float | None = None
    greeted: asyncio.Event = field(default_factory=asyncio.Event)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, message: Any) -> None:
        """Takes in a `FromGuard`; `Nonsense` when it cannot come here."""
        kind = message.WhichOneof("kind")
        if kind == "hello" and self.hello is None:
            self._greet(message.hello)
        elif kind == "ack" and self.hello is not None:
            self._acknowledge(message.ack)
        elif kind == "cut" and self.hello is not None:
            self.cuts += message.cut.streams
        else:
            raise Nonsense(f"{kind or 'an unknown message'} is not expected here")

    def has_been_sent(self, order: Order) -> bool:
        """Whether nothing is left to send."""
        return self.sent_of(order) == order.seq

    def sent_of(self, order: Order) -> int:
        """How far in `order` it was sent everything; -1 when that is of no use."""
        return self.sent if self.epoch == order.epoch and self.sent <= order.seq else -1

    def may_hold(self, held: int) -> None:
        """Everything that holds, `held` verdicts, is sent once more if it was full and fits now."""
        if self.refused and not self.refilling and held <= self.room:
            self.refilling, self.sent = True, -1
            self.news.set()

    def was_sent(self, epoch: str, seq: int) -> None:
        """Everything up to `seq` is under way."""
        self.epoch, self.sent = epoch, seq

    def needs(self) -> None:
        """There is something that it has not got."""
        if self.late_since is None:
            self.late_since = time.monotonic()

    def enforces(self, order: Order | None, seq: int) -> bool:
        """Whether it says that it has everything of `order` up to `seq`, and had room for it."""
        return self._has(order, seq) and not self.refused

    def status(self, order: Order | None) -> GuardStatus:
        """How it stands when `order` is the newest."""
        now = time.monotonic()
        current = order is None or self._has(order, order.seq)
        late = now - self.late_since if self.late_since is not None and not current else 0.0
        return GuardStatus(
            proxy=self.proxy,
            applied=max(self.applied, 0),
            entries=self.entries,
            refused=self.refused,
            guard=self.guard,
            current=current,
            behind=late,
            told=None if self.told is None else now - self.told,
            cuts=self.cuts,
        )

    def _has(self, order: Order | None, seq: int) -> bool:
        return order is not None and self.said == order.epoch and self.applied >= seq

    def _greet(self, hello: Any) -> None:
        self.hello = (hello.epoch, hello.applied)
        self.guard = hello.guard[:_LONGEST_WORD]
        if len(hello.signing_key) == _POINT:
            self.signing_key = hello.signing_key
        if hello.epoch:
            self.epoch, self.sent = hello.epoch, hello.applied
            self.said, self.applied = hello.epoch, hello.applied
        self.greeted.set()

    def _acknowledge(self, ack: Any) -> None:
        self.said, self.applied = ack.epoch, ack.applied
        self.entries, self.refused = ack.entries, ack.refused
        self.told = time.monotonic()
        self.room = max(self.room, self.entries) if self.refused else 0
        if self.applied >= self.sent >= 0:
            self.late_since, self.refilling = None, False
