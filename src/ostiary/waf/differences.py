"""Which recorded requests two rule sets decide differently: what a change of rules would do.

Fed with traffic and with two ways to ask the engine; feeds `ostiary waf replay`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from ostiary.waf.traffic import Entry


@dataclass(frozen=True, slots=True)
class Decision:
    """What rules say about one request."""

    stopped: bool
    score: int
    rules: tuple[int, ...]
    """Those that want to be seen, in the order of their matches."""
    places: tuple[str, ...] = ()
    """The parts of the request that each of `rules` matched."""


Judge: TypeAlias = Callable[[Entry], Decision]


@dataclass(frozen=True, slots=True)
class Difference:
    """One request that is decided differently."""

    entry: Entry
    old: Decision
    new: Decision

    @property
    def reasons(self) -> tuple[int, ...]:
        """Rules that only one side has: those that make the difference, as far as rules do."""
        before, after = set(self.old.rules), set(self.new.rules)
        side = self.new.rules if self.new.stopped else self.old.rules
        return tuple(dict.fromkeys(rule for rule in side if (rule in before) != (rule in after)))


@dataclass
class Compared:
    """What came of a replay."""

    asked: int = 0
    """Requests that were put to both."""
    stopped: list[Difference] = field(default_factory=list)
    """The old rules let them pass, the new stop them."""
    passed: list[Difference] = field(default_factory=list)
    """The old rules stop them, the new let them pass."""
    same_stopped: int = 0
    """Stopped by both."""
    other_rules: int = 0
    """Decided alike, for other reasons."""
    unrecorded: int = 0
    """Requests that the log has without their content, so that nobody can ask again."""
    cut: int = 0
    """Asked with a body that is not there as a whole."""

    def reasons(self) -> list[tuple[int, int]]:
        """Rule and how many requests it newly stops, the worst first."""
        counted = Counter(rule for one in self.stopped for rule in one.reasons)
        return sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))


def compare(entries: Iterable[Entry], old: Judge, new: Judge) -> Compared:
    """Both sides asked about each recorded request, in the order of the log."""
    compared = Compared()
    for entry in entries:
        if entry.request is None:
            compared.unrecorded += 1
            continue
        compared.asked += 1
        compared.cut += entry.request.cut
        before, after = old(entry), new(entry)
        if before.stopped != after.stopped:
            told = compared.stopped if after.stopped else compared.passed
            told.append(Difference(entry, before, after))
            continue
        compared.same_stopped += after.stopped
        compared.other_rules += set(before.rules) != set(after.rules)
    return compared
