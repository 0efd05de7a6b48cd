"""What the stream needs of others, as protocols, and what it says of each guard.

`store.verdicts` is a `Source`, `fanout` a `Fanout`; `app` hands them in and reads the rest.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from ostiary.trust.verdict import Verdict


class Change(Protocol):
    """`store.verdicts.Change`."""

    @property
    def seq(self) -> int:
        """Its place in the one order."""

    @property
    def verdict(self) -> Verdict:
        """The verdict as it is now."""

    @property
    def lifted(self) -> bool:
        """Whether it holds no longer."""


class Order(Protocol):
    """`store.verdicts.Order`."""

    @property
    def epoch(self) -> str:
        """Which store this is."""

    @property
    def seq(self) -> int:
        """How far it has come."""

    @property
    def forgotten(self) -> int:
        """Changes up to this one are not all known any more."""


class Source(Protocol):
    """`store.verdicts.Verdicts`."""

    @property
    def shared(self) -> bool:
        """Whether another control plane may write to it without telling us."""

    def order(self) -> Order:
        """Which store this is."""

    def since(self, seq: int, most: int) -> Sequence[Change]:
        """What changed after `seq`, in order, `most` at once."""

    def snapshot(self) -> tuple[Order, Sequence[Verdict]]:
        """Everything that holds, and how far that is."""

    def held(self) -> int:
        """How many verdicts a snapshot would have."""

    def expire(self, now: float) -> bool:
        """What is over is lifted; True when there was any."""


class Fanout(Protocol):
    """How control planes with one store tell each other that there is news."""

    async def tell(self, seq: int) -> None:
        """The others hear of it, if they can be reached."""

    def heard(self) -> AsyncIterator[None]:
        """Something each time another one told; never ends."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """Who enforces everything up to `seq`, and who was connected and does not say so."""

    seq: int
    enforced: tuple[str, ...]
    missing: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class GuardStatus:
    """One open stream of a guard."""

    proxy: str
    applied: int
    entries: int
    refused: int
    """Verdicts that did not fit into its table."""
    guard: str
    """Its version."""
    current: bool
    """Whether it has everything."""
    behind: float
    """Seconds for which it has not had everything; 0 when it has."""
    told: float | None
    """Seconds since it last said what it has applied."""
    cuts: int
    """Streams it has ended, as it says."""
