"""What the routes of a gateway with `waf` need together: rule sets, log files and bounds.

Kept up as single routes come and go. Fed by `edge_view`.
"""

from __future__ import annotations

from collections import Counter

from ostiary.features.fragment import Bounds, RuleSet
from ostiary.features.waf import Inspection
from ostiary.plan.model import Route


class Watchful:
    """Counts of what single routes ask for."""

    def __init__(self) -> None:
        self._sets: Counter[RuleSet] = Counter()
        self._logs: Counter[str] = Counter()
        self._bounds: Counter[Bounds] = Counter()

    @property
    def rule_sets(self) -> tuple[RuleSet, ...]:
        """Every rule set that a route names, in the order of their names."""
        return tuple(sorted(self._sets, key=lambda one: one.name))

    @property
    def logs(self) -> tuple[str, ...]:
        """Every file that a route names, in order."""
        return tuple(sorted(self._logs))

    @property
    def bounds(self) -> Bounds:
        """What looking into requests may cost; routes of one gateway agree about it."""
        return next(iter(self._bounds), Bounds())

    def come(self, one: Route) -> None:
        """`one` stands here from now on."""
        block = one.blocks.get("waf")
        if isinstance(block, Inspection):
            self._sets[block.rule_set] += 1
            self._bounds[block.bounds] += 1
            if block.log is not None:
                self._logs[block.log.file] += 1

    def go(self, one: Route) -> None:
        """`one`, which came before, is no more."""
        block = one.blocks.get("waf")
        if isinstance(block, Inspection):
            self._sets = +(self._sets - Counter((block.rule_set,)))
            self._bounds = +(self._bounds - Counter((block.bounds,)))
            if block.log is not None:
                self._logs = +(self._logs - Counter((block.log.file,)))
