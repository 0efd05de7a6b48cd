"""The plan as `login` sees it: from every `login` route its hosts and what their tokens are for.

Pure. Fed by the plan; the control plane puts the result into the store before any proxy gets the
revision. A `Guide` remembers the hosts that did not change.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from ostiary.certs.spiffe import service_id
from ostiary.identity.directory import Directory, Place, SignInHost
from ostiary.identity.model import Lifetimes
from ostiary.names import Key
from ostiary.patched import Attendance
from ostiary.plan.model import Plan, Route, SignIn

_Ports: TypeAlias = dict[tuple[Key, str], int]
"""By gateway and listener."""


def directory_of(plan: Plan) -> Directory:
    """The site directory of `plan`; equal plans give equal directories, ordered by host."""
    return Guide().directory(plan)


class Guide:
    """Writes the directory of one plan after another."""

    def __init__(self) -> None:
        self._attendance: Attendance[Route] = Attendance()
        self._routes: dict[str, dict[int, Route]] = {}
        """Host -> its routes on which somebody can be known, by identity."""
        self._basis: object = None
        self._places: dict[str, Place] = {}
        self._directory = Directory()

    def directory(self, plan: Plan) -> Directory:
        """The site directory of `plan`; the very same as before when nothing of it changed."""
        touched = self._follow(plan.routes)
        basis = plan.trust_domain, plan.gateways, plan.sign_in
        if basis != self._basis:
            self._basis, touched = basis, {*self._routes, *self._places}
        ports = {
            (key, listener.name): listener.port
            for key, gateway in plan.gateways.items()
            for listener in gateway.listeners
        }
        found = {host: self._place(host, plan, ports) for host in touched}
        changed = {host: one for host, one in found.items() if one != self._places.get(host)}
        hosts = tuple(sorted(map(_sign_in, plan.sign_in.values()), key=lambda one: one.host))
        if changed or hosts != self._directory.sign_in:
            both = {**self._places, **changed}
            self._places = {host: one for host, one in both.items() if one is not None}
            places = tuple(self._places[host] for host in sorted(self._places))
            self._directory = Directory(places, hosts)
        return self._directory

    def _follow(self, routes: Iterable[Route]) -> set[str]:
        """Bring `_routes` up to `routes`; the hosts whose routes changed."""
        came, went = self._attendance.look(routes)
        touched: set[str] = set()
        for one in filter(_is_door, came):
            touched.update(one.hosts)
            for host in one.hosts:
                self._routes.setdefault(host, {})[id(one)] = one
        for one in filter(_is_door, went):
            touched.update(one.hosts)
            for host in set(one.hosts):
                del self._routes[host][id(one)]
                if not self._routes[host]:
                    del self._routes[host]
        return touched

    def _place(self, host: str, plan: Plan, ports: _Ports) -> Place | None:
        here = [one for one in self._routes.get(host, {}).values() if one.gateway in plan.sign_in]
        if not here:
            return None
        # A host on two gateways is entered by the same one, in whatever order they were written.
        first = min(here, key=lambda one: (one.gateway, one.listener))
        readers = {one.service for one in here if one.service is not None}
        return Place(
            pattern=host,
            port=ports[first.gateway, first.listener],
            sign_in=plan.sign_in[first.gateway].host,
            audiences=tuple(sorted(service_id(plan.trust_domain, one) for one in readers)),
        )


def _is_door(route: Route) -> bool:
    return route.identified and not route.own


def _sign_in(found: SignIn) -> SignInHost:
    return SignInHost(
        host=found.host,
        origin=found.origin,
        lifetimes=Lifetimes(found.token_lifetime, found.idle_lifetime, found.absolute_lifetime),
        group_names=found.group_names,
        group_set=found.group_set,
        providers=found.providers,
    )
