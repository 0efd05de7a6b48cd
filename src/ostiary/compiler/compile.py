"""A plan and a world become every proxy's view: one fold of fragments.

Pure, and deterministic to the byte: equal inputs give equal resources under equal versions. A
`Compiler` remembers what it has made and makes again only what changed; its result equals that of
a new one. Fed by `plan.resolve`; feeds `xds`.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Final, TypeVar, cast

from ostiary.certs import spiffe
from ostiary.compiler import clusters, edge, slots
from ostiary.compiler.mini import mini_view
from ostiary.compiler.resources import Resource, Snapshot, View
from ostiary.compiler.routes import Ground
from ostiary.compiler.scopes import scope, scope_of, wildcard_scopes
from ostiary.compiler.spelling import serving_certificates
from ostiary.compiler.world import AUTHZ_CLUSTER, World
from ostiary.errors import CompileError
from ostiary.features.assertion import MiniSite
from ostiary.features.fragment import ListenerSite, SignInSite
from ostiary.names import Key
from ostiary.plan.model import Gateway, Listener, MiniGateway, Plan, Route, Service, SignIn

_T = TypeVar("_T")
_NO_TOKENS: Final = 60
"""Seconds, where nobody signs in: Envoy takes a 0 for its own, wider default."""


def compile(plan: Plan, world: World) -> Snapshot:  # noqa: A001  the word of the trade
    """Every view of `plan`, made from nothing."""
    return Compiler().compile(plan, world)


class Memory:
    """Remembers what a pure function made of which inputs, for one revision after the last."""

    def __init__(self) -> None:
        self._last: dict[Hashable, tuple[object, object]] = {}
        self._next: dict[Hashable, tuple[object, object]] = {}

    def once(self, name: Hashable, inputs: object, make: Callable[[], _T]) -> _T:
        """What `make` returns; `inputs` must hold all that it depends on."""
        known = self._last.get(name)
        if known is None or known[0] != inputs:
            known = (inputs, make())
        self._next[name] = known
        return cast("_T", known[1])

    def turn(self) -> None:
        """Forget what the revision before did not use."""
        self._last, self._next = self._next, {}


class Compiler:
    """Compiles one revision after another; what did not change is the very same object."""

    def __init__(self) -> None:
        self._memory = Memory()

    def compile(self, plan: Plan, world: World) -> Snapshot:
        """Every view of `plan`, by SPIFFE id."""
        fold = _Fold(plan, world, self._memory)
        views = {view.proxy: view for view in fold.views()}
        self._memory.turn()
        return Snapshot(_revision(views.values()), views)


class _Fold:
    """One revision on its way through."""

    def __init__(self, plan: Plan, world: World, memory: Memory) -> None:
        self._plan = plan
        self._world = world
        self._once = memory.once
        self._routes: dict[tuple[Key, str], list[Route]] = defaultdict(list)
        for one in plan.routes:
            self._routes[one.gateway, one.listener].append(one)

    def views(self) -> Iterator[View]:
        for gateway in self._plan.gateways.values():
            yield self._edge_view(gateway)
        for service in self._plan.services.values():
            if service.mini_gateway is not None:
                yield self._mini_view(service, service.mini_gateway)

    def _edge_view(self, gateway: Gateway) -> View:
        sign_in = self._plan.sign_in.get(gateway.key)
        secrets: list[str] = []
        made: list[Resource] = []
        for listener in gateway.listeners:
            if listener.redirect_to is not None:
                target = _target(gateway, listener)
                there = sign_in.host if sign_in and sign_in.listener == target.name else None
                made.append(edge.redirect(gateway, listener, target, there))
                continue
            names = [name for name, _ in serving_certificates(gateway.key, listener, sign_in)]
            made += self._https(gateway, listener, sign_in, tuple(names))
            secrets += names
        made += self._edge_clusters(gateway)
        proxy = spiffe.gateway_id(self._plan.trust_domain, gateway.key)
        return View(proxy, _by_type(made), frozenset(secrets))

    def _https(
        self, gateway: Gateway, listener: Listener, sign_in: SignIn | None, secrets: tuple[str, ...]
    ) -> Iterator[Resource]:
        routes = self._routes[gateway.key, listener.name]
        wildcards = wildcard_scopes(host for one in routes for host in one.hosts)
        site = self._listener_site(listener, sign_in)
        filters = slots.filters(site)
        front = edge.Front(gateway, listener, wildcards, secrets, filters, site)
        yield edge.https(front)
        for one in filters:
            yield slots.slot_resource(one, gateway.place)
        ground = Ground(listener.name, listener.port, site.sign_in)
        for host, members in _by_scope(routes, wildcards).items():
            yield self._scope(gateway.key, host, members, ground)

    def _scope(
        self, gateway: Key, host: str, members: Mapping[str, list[Route]], ground: Ground
    ) -> Resource:
        name = ("scope", gateway, ground.listener, host)
        return self._once(name, (members, ground), lambda: scope(host, members, ground))

    def _edge_clusters(self, gateway: Gateway) -> Iterator[Resource]:
        reached = {
            one.service
            for listener in gateway.listeners
            for one in self._routes[gateway.key, listener.name]
            if one.service is not None
        }
        for key in sorted(reached):
            yield from self._service(self._plan.services[key])
        if gateway.key in self._plan.sign_in:
            yield from clusters.own_clusters(self._world, self._plan.trust_domain)

    def _service(self, service: Service) -> tuple[Resource, ...]:
        domain = self._plan.trust_domain

        def make() -> tuple[Resource, ...]:
            endpoints = clusters.edge_endpoints(service)
            return (
                clusters.edge_cluster(service, domain),
                *(() if endpoints is None else (endpoints,)),
            )

        return self._once(("service", service.key), (service, domain), make)

    def _mini_view(self, service: Service, mini: MiniGateway) -> View:
        domain = self._plan.trust_domain
        sign_in = [self._plan.sign_in[one] for one in mini.callers if one in self._plan.sign_in]
        site = MiniSite(
            issuer=self._world.issuer,
            jwks=self._world.jwks,
            audience=spiffe.service_id(domain, service.key),
            # Every gateway of a document has the same set of group names.
            group_set=sign_in[0].group_set if sign_in else "",
            offline_grace=max((one.offline_grace for one in sign_in), default=0),
        )
        callers = [spiffe.gateway_id(domain, one) for one in mini.callers]
        name, inputs = ("mini", service.key), (service, site, callers)
        made = self._once(name, inputs, lambda: tuple(mini_view(service, mini, site, callers)))
        return View(site.audience, _by_type(made), frozenset())

    def _listener_site(self, listener: Listener, sign_in: SignIn | None) -> ListenerSite:
        return ListenerSite(
            issuer=self._world.issuer,
            jwks=self._world.jwks,
            authz_cluster=AUTHZ_CLUSTER,
            port=listener.port,
            sign_in=_sign_in_site(sign_in) if sign_in else None,
            token_lifetime=sign_in.token_lifetime if sign_in else _NO_TOKENS,
            absolute_lifetime=sign_in.absolute_lifetime if sign_in else _NO_TOKENS,
            offline_grace=sign_in.offline_grace if sign_in else 0,
        )


def _sign_in_site(sign_in: SignIn) -> SignInSite:
    return SignInSite(host=sign_in.host, origin=sign_in.origin, group_set=sign_in.group_set)


def _target(gateway: Gateway, listener: Listener) -> Listener:
    for one in gateway.listeners:
        if one.name == listener.redirect_to:
            return one
    raise CompileError(f"the listener {listener.name} redirects to {listener.redirect_to}: none")


def _by_scope(
    routes: Iterable[Route], wildcards: tuple[str, ...]
) -> dict[str, dict[str, list[Route]]]:
    """Scope -> host -> its routes, in the plan's order."""
    found: dict[str, dict[str, list[Route]]] = {}
    for one in routes:
        for host in one.hosts:
            members = found.setdefault(scope_of(host, wildcards) if wildcards else host, {})
            members.setdefault(host, []).append(one)
    return found


def _by_type(made: Iterable[Resource]) -> dict[str, dict[str, Resource]]:
    """By type URL and name; a name used twice for different things is a bug of ours."""
    found: dict[str, dict[str, Resource]] = {}
    for one in made:
        other = found.setdefault(one.type_url, {}).setdefault(one.name, one)
        if other.version != one.version:
            raise CompileError(f"two resources are called {one.name}")
    return found


def _revision(views: Iterable[View]) -> str:
    """A content hash of everything: equal on every replica."""
    digest = hashlib.blake2b(digest_size=8)
    for view in sorted(views, key=lambda one: one.proxy):
        digest.update(view.proxy.encode())
        for type_url in sorted(view.resources):
            group = view.resources[type_url]
            digest.update(
                "".join(f"{name}\0{group[name].version}" for name in sorted(group)).encode()
            )
        digest.update("".join(sorted(view.secrets)).encode())
    return digest.hexdigest()
