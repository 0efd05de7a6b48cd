"""The view of one edge gateway: its listeners and filters, the scopes of its routes, its clusters.

Routes are told apart one by one as they come and go; all else is few, and made again whenever any
of it changes. Fed by `compile`.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from ostiary.certs import spiffe
from ostiary.compiler import clusters, edge, slots
from ostiary.compiler.holdings import Changes, Holdings, changes
from ostiary.compiler.reach import Reach
from ostiary.compiler.resources import Resource
from ostiary.compiler.routes import Ground
from ostiary.compiler.spelling import serving_certificates
from ostiary.compiler.street import Street
from ostiary.compiler.watchful import Watchful
from ostiary.compiler.world import AUTHZ_CLUSTER, World
from ostiary.errors import CompileError
from ostiary.features.fragment import ListenerSite, SignInSite
from ostiary.identity.issuers import NO_KEYS, terms
from ostiary.names import Key
from ostiary.plan.model import Gateway, Listener, Plan, Route, SignIn

_NO_TOKENS: Final = 60
"""Seconds, where nobody signs in: Envoy takes a 0 for its own, wider default."""


class EdgeView:
    """One gateway, revision after revision."""

    def __init__(self, trust_domain: str, gateway: Key) -> None:
        self.holdings = Holdings(spiffe.gateway_id(trust_domain, gateway))
        self._trust_domain = trust_domain
        self._streets: defaultdict[str, Street] = defaultdict(Street)
        self._reach = Reach(trust_domain)
        self._watchful = Watchful()
        self._basis: object = None
        self._fixed: Changes = {}
        self._secrets: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether no route stands here."""
        return all(street.empty for street in self._streets.values())

    def come(self, one: Route) -> None:
        """`one` stands here from now on."""
        self._streets[one.listener].come(one)
        self._reach.come(one)
        self._watchful.come(one)

    def go(self, one: Route) -> None:
        """`one`, which came before, is no more."""
        self._streets[one.listener].go(one)
        self._reach.go(one)
        self._watchful.go(one)

    def renew(self, gateway: Gateway, plan: Plan, world: World) -> None:
        """`holdings` are those of `plan` afterwards."""
        sign_in = plan.sign_in.get(gateway.key)
        grounds = {
            one.name: Ground(one.name, one.port, _sign_in_site(sign_in), world.guard)
            for one in gateway.listeners
            if one.redirect_to is None
        }
        found: dict[tuple[str, str], Resource | None] = {}
        for name, street in self._streets.items():
            found |= street.changes(grounds.get(name))
        found |= self._reach.changes(plan.services)
        issuers = _issuers(plan, world) if sign_in is not None else "{}"
        found |= self._frame(gateway, sign_in, world, issuers)
        self.holdings.take(found, self._secrets)

    def _frame(
        self, gateway: Gateway, sign_in: SignIn | None, world: World, issuers: str
    ) -> Changes:
        """What differs of all that does not depend on single routes."""
        wildcards = tuple(self._streets[one.name].wildcards for one in gateway.listeners)
        watched, logs = self._watchful, self._watchful.logs
        rules = watched.rule_sets, watched.bounds, logs
        basis = gateway, sign_in, world, issuers, wildcards, rules
        if basis == self._basis:
            return {}
        secrets: list[str] = []
        made: list[Resource] = []
        for listener, wild in zip(gateway.listeners, wildcards, strict=True):
            if listener.redirect_to is not None:
                made.append(_redirect(gateway, listener, sign_in))
                continue
            names = [name for name, _ in serving_certificates(gateway.key, listener, sign_in)]
            site = _listener_site(listener, sign_in, world, watched, issuers)
            filters = slots.filters(site)
            front = edge.Front(gateway, listener, wild, tuple(names), filters, site, logs)
            made += _https(front)
            secrets += names
        if sign_in is not None:
            made += clusters.own_clusters(world, self._trust_domain)
        found = changes(self._fixed, made)
        self._basis, self._secrets = basis, tuple(secrets)
        self._fixed = {key: one for key, one in found.items() if one is not None}
        return found


def _issuers(plan: Plan, world: World) -> str:
    """Every issuer as the guard is told; equal plans and worlds give equal text."""
    told = {
        name: terms(one, world.key_sets.get(name, NO_KEYS)) for name, one in plan.issuers.items()
    }
    return json.dumps(told, sort_keys=True, separators=(",", ":"))


def _redirect(gateway: Gateway, listener: Listener, sign_in: SignIn | None) -> Resource:
    target = _target(gateway, listener)
    there = sign_in.host if sign_in and sign_in.listener == target.name else None
    return edge.redirect(gateway, listener, target, there)


def _https(front: edge.Front) -> Iterator[Resource]:
    yield edge.https(front)
    for one in front.filters:
        yield slots.slot_resource(one, front.gateway.place)


def _listener_site(
    listener: Listener, sign_in: SignIn | None, world: World, watched: Watchful, issuers: str
) -> ListenerSite:
    return ListenerSite(
        issuer=world.issuer,
        jwks=world.jwks,
        authz_cluster=AUTHZ_CLUSTER,
        port=listener.port,
        sign_in=_sign_in_site(sign_in),
        token_lifetime=sign_in.token_lifetime if sign_in else _NO_TOKENS,
        absolute_lifetime=sign_in.absolute_lifetime if sign_in else _NO_TOKENS,
        offline_grace=sign_in.offline_grace if sign_in else 0,
        guard=world.guard,
        issuers=issuers,
        rule_sets=watched.rule_sets,
        bounds=watched.bounds,
    )


def _sign_in_site(sign_in: SignIn | None) -> SignInSite | None:
    if sign_in is None:
        return None
    return SignInSite(host=sign_in.host, origin=sign_in.origin, group_set=sign_in.group_set)


def _target(gateway: Gateway, listener: Listener) -> Listener:
    for one in gateway.listeners:
        if one.name == listener.redirect_to:
            return one
    raise CompileError(f"the listener {listener.name} redirects to {listener.redirect_to}: none")
