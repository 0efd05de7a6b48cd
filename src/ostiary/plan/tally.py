"""What all routes come to together, kept up as single routes come and go.

Fed by `study`, one `Resolution` at a time, so that a change among thousands costs only itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ostiary.names import Key
from ostiary.plan.model import Route
from ostiary.plan.own import own_paths
from ostiary.plan.routes import Claim, Resolution, Spot


@dataclass(eq=False)
class Tally:
    """Sums over resolutions. Every `add` is undone by a `drop` of the same value."""

    claims: dict[Claim, int] = field(default_factory=dict)
    clashes: int = 0
    """Claims beyond the first of each; 0 when no two routes answer the same request."""
    gateways: Counter[Key] = field(default_factory=Counter)
    """Routes by gateway."""
    calls: dict[Key, Counter[Key]] = field(default_factory=dict)
    """Service -> routes to it by gateway."""
    users: dict[Key, dict[Resolution, None]] = field(default_factory=dict)
    """Service -> what has routes to it."""
    logins: Counter[Key] = field(default_factory=Counter)
    """Routes with sign-in by gateway."""
    groups: Counter[tuple[Key, str]] = field(default_factory=Counter)
    """Routes by (gateway, group they name)."""
    own: dict[Spot, Route] = field(default_factory=dict)
    """The `/.ostiary/` route of every host on which people sign in."""
    doubtful: dict[Resolution, None] = field(default_factory=dict)
    """Those of which something has to be said."""
    dated: dict[Resolution, None] = field(default_factory=dict)
    """Those that another day may change."""
    _spots: Counter[Spot] = field(default_factory=Counter)

    def add(self, one: Resolution) -> None:
        """Count `one` in."""
        for claim in one.claims:
            others = self.claims.get(claim, 0)
            self.claims[claim] = others + 1
            self.clashes += others > 0
        for counter, keys in self._counted(one):
            counter.update(keys)
        if one.service is not None and one.gateway is not None:
            self.calls.setdefault(one.service, Counter()).update((one.gateway,))
            self.users.setdefault(one.service, {})[one] = None
        for spot in one.sign_in:
            self._spots[spot] += 1
            known = self.own.get(spot)
            if known is None or known.blocks.get("waf") != one.own:
                self.own[spot] = own_paths(*spot, one.own)
        if one.faults or one.warnings or one.over:
            self.doubtful[one] = None
        if one.dated:
            self.dated[one] = None

    def drop(self, one: Resolution) -> None:
        """Count `one` out again."""
        for claim in one.claims:
            others = self.claims[claim] - 1
            self.clashes -= others > 0
            if others:
                self.claims[claim] = others
            else:
                del self.claims[claim]
        for counter, keys in self._counted(one):
            _take(counter, keys)
        if one.service is not None and one.gateway is not None:
            _take(self.calls[one.service], (one.gateway,))
            self.users[one.service].pop(one)
            if not self.users[one.service]:
                del self.users[one.service], self.calls[one.service]
        _take(self._spots, one.sign_in)
        for spot in one.sign_in:
            if spot not in self._spots:
                self.own.pop(spot, None)
        self.doubtful.pop(one, None)
        self.dated.pop(one, None)

    def _counted(self, one: Resolution) -> Iterator[tuple[Counter[Any], tuple[Any, ...]]]:
        gateway = one.gateway
        if gateway is None:
            return
        yield self.gateways, (gateway,)
        if one.sign_in:
            yield self.logins, (gateway,)
            yield self.groups, tuple((gateway, name) for name in one.groups)


def _take(counter: Counter[Any], keys: tuple[Any, ...]) -> None:
    for key in keys:
        counter[key] -= 1
        if not counter[key]:
            del counter[key]
