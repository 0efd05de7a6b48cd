"""The hosts along one HTTPS listener: which routes stand where, and the scopes made of them.

Kept up as single routes come and go; only the scopes that they touch are made again. Fed by
`edge_view`; the scopes themselves are made by `scopes`.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import TypeAlias

from ostiary.compiler.holdings import Changes
from ostiary.compiler.resources import SCOPE, Resource
from ostiary.compiler.routes import Ground
from ostiary.compiler.scopes import scope, scope_of, wildcard_scopes
from ostiary.plan.model import Route

_Members: TypeAlias = dict[str, tuple[Route, ...]]
"""The hosts of one scope, with their routes in order of their keys."""


class Street:
    """One listener's routes by host."""

    def __init__(self) -> None:
        self._routes: dict[str, dict[int, Route]] = {}
        """Host -> its routes by identity."""
        self._touched: set[str] = set()
        """Hosts whose routes are not those of the scopes made last."""
        self._wildcards: tuple[str, ...] | None = ()
        self._ground: Ground | None = None
        self._grouped: frozenset[str] = frozenset()
        """The wildcard scopes by which `_below` is grouped."""
        self._below: dict[str, dict[str, None]] = {}
        """Wildcard scope -> the hosts it holds."""
        self._made: dict[str, tuple[Ground, _Members, Resource]] = {}
        """By scope."""

    @property
    def wildcards(self) -> tuple[str, ...]:
        """The wildcard hosts that are scopes now."""
        if self._wildcards is None:
            self._wildcards = wildcard_scopes(self._routes)
        return self._wildcards

    @property
    def empty(self) -> bool:
        """Whether no route stands here."""
        return not self._routes

    def come(self, one: Route) -> None:
        """`one` stands on its hosts from now on."""
        self._touch(one.hosts)
        for host in one.hosts:
            self._routes.setdefault(host, {})[id(one)] = one

    def go(self, one: Route) -> None:
        """`one`, which came before, is no more."""
        self._touch(one.hosts)
        for host in set(one.hosts):
            del self._routes[host][id(one)]
            if not self._routes[host]:
                del self._routes[host]

    def changes(self, ground: Ground | None) -> Changes:
        """The scopes that differ from those of the last time; without ground there are none."""
        found: dict[tuple[str, str], Resource | None] = {}
        for host in self._stale(ground):
            members = {} if ground is None else self._members(host)
            known = self._made.get(host)
            if known is not None and known[:2] == (ground, members):
                continue
            if known is not None:
                found[SCOPE, known[2].name] = None
                del self._made[host]
            if ground is not None and members:
                made = scope(host, members, ground)
                found[SCOPE, made.name] = made
                self._made[host] = ground, members, made
        return found

    def _touch(self, hosts: Iterable[str]) -> None:
        self._touched.update(hosts)
        if any(host.startswith("*") for host in hosts):
            self._wildcards = None

    def _stale(self, ground: Ground | None) -> Iterable[str]:
        """The scopes to look at again, all if need be; what they hold is known afterwards."""
        hosts, self._touched = self._touched, set()
        basis = ground, frozenset(self.wildcards)
        everything = basis != (self._ground, self._grouped)
        if everything:
            self._ground, self._grouped = basis
            self._below = {}
            hosts = {*hosts, *self._routes}
        stale = dict.fromkeys(self._made if everything else ())
        for host in hosts:
            found = scope_of(host, self._grouped)
            stale[found] = None
            if found in self._grouped:
                self._below.setdefault(found, {})[host] = None
        return stale

    def _members(self, scope_host: str) -> _Members:
        alone = scope_of(scope_host, self._grouped) == scope_host
        hosts = self._below.get(scope_host, (scope_host,) if alone else ())
        return {
            host: tuple(sorted(self._routes[host].values(), key=attrgetter("key")))
            for host in hosts
            if host in self._routes
        }
