"""What the stream needs of the store, as protocols: `store.verdicts` has it, `app` hands it in."""

from __future__ import annotations

from collections.abc import Sequence
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

    def order(self) -> Order:
        """Which store this is."""

    def since(self, seq: int, most: int) -> Sequence[Change]:
        """What changed after `seq`, in order, `most` at once."""

    def snapshot(self) -> tuple[Order, Sequence[Verdict]]:
        """Everything that holds, and how far that is."""
