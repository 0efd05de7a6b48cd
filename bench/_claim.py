"""One claim, one file: arguments, rows and how they are printed.

Every claim file hands `main()` a function that measures and yields rows. A row that does not hold
is a result like any other: the exit status is 0.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Row:
    """One measured value beside its goal."""

    name: str
    unit: str
    value: float
    goal: float
    better: Literal["lower", "higher"] = "lower"
    noisy: bool = False
    peer: float | None = None
    """The same value of whatever it is compared with, in the same unit, in the same run."""
    note: str = ""
    """For people; not part of the JSON object."""

    @property
    def holds(self) -> bool:
        """Whether the value reaches the goal."""
        return self.value <= self.goal if self.better == "lower" else self.value >= self.goal

    def as_json(self) -> str:
        """One line."""
        tree: dict[str, object] = {
            "name": self.name,
            "unit": self.unit,
            "value": round(self.value, 4),
            "goal": self.goal,
            "better": self.better,
            "holds": self.holds,
            "noisy": self.noisy,
        }
        if self.peer is not None:
            tree["peer"] = round(self.peer, 4)
        return json.dumps(tree)

    def as_words(self) -> str:
        """One line for a person."""
        sign = "<=" if self.better == "lower" else ">="
        verdict = "holds" if self.holds else "DOES NOT HOLD"
        noise = ", noisy" if self.noisy else ""
        note = f" ({self.note})" if self.note else ""
        return (
            f"{self.name}: {self.value:.4g} {self.unit}, goal {sign} {self.goal:g}: "
            f"{verdict}{noise}{note}"
        )


def main(measure: Callable[[bool], Iterator[Row]]) -> None:
    """Print every row of `measure(quick)` as soon as it is known."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    chosen = parser.parse_args()
    for row in measure(chosen.quick):
        print(row.as_json() if chosen.json else row.as_words(), flush=True)


def percentile(values: Sequence[float], part: float) -> float:
    """The value below which `part` (0 to 1) of `values` lie; the nearest that was seen."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(values)
