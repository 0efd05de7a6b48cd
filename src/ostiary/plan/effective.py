"""What a route comes to once every level and default is in: `ostiary effective ROUTE`.

Pure. Fed by the plan; feeds the admin API and the command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ostiary.plan.model import Plan, Route, Service, SignIn
from ostiary.policy.rules import Level, Rule
from ostiary.policy.words import risk_range


@dataclass(frozen=True, slots=True)
class Effective:
    """One route, in words and plain values, ready to print."""

    route: str
    place: str
    gateway: str
    listener: str
    hosts: tuple[str, ...]
    paths: tuple[str, ...]
    methods: tuple[str, ...]
    """Empty: all."""
    to: str
    """Where an allowed request goes."""
    sign_in: str
    """Who signs a person in and how long tokens live; `none` when nobody is asked to."""
    access: Mapping[str, tuple[str, ...]]
    """Level -> its rules in words; a request must pass every level. Empty: nobody may pass."""
    blocks: Mapping[str, Any]
    """Every other block that applies, defaults included."""
    policy: str
    denied: str
    """Why all its traffic is refused; empty as long as the block is sound."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """Which level each part of `blocks` came from: `cors.origins` -> `gateway main`."""


def effective(plan: Plan, name: str) -> Effective | None:
    """The route called `name` (`notes`, or `tenant/namespace/name`); None: there is none."""
    for route in plan.routes:
        if name in {str(route.key), route.key.path}:
            return _describe(plan, route)
    return None


def route_names(plan: Plan) -> tuple[str, ...]:
    """What `effective` can be asked for, in order; our own routes are not among them."""
    return tuple(sorted(str(route.key) for route in plan.routes if not route.own))


def _describe(plan: Plan, route: Route) -> Effective:
    return Effective(
        str(route.key),
        str(route.place),
        str(route.gateway),
        route.listener,
        route.hosts,
        tuple(_path(match.kind, match.value) for match in route.paths),
        route.methods or (),
        _target(plan, route),
        _sign_in(plan.sign_in.get(route.gateway) if route.login else None),
        _levels(route.levels),
        {name: block.model_dump(mode="json") for name, block in sorted(route.blocks.items())},
        route.policy,
        route.denied or "",
        route.origins,
    )


def _path(kind: str, value: str) -> str:
    return f"{value}/*" if kind == "prefix" else value


def _target(plan: Plan, route: Route) -> str:
    if route.service is None:
        return "login" if route.own else "answered at the gateway"
    service = plan.services[route.service]
    return f"service {service.key} at {_addresses(service)}"


def _addresses(service: Service) -> str:
    mini = service.mini_gateway
    ends = ", ".join(end.unix or f"{end.host}:{end.port}" for end in service.endpoints)
    return f"{ends}, behind its mini gateway {mini.address}:{mini.port}" if mini else ends


def _sign_in(sign_in: SignIn | None) -> str:
    if sign_in is None:
        return "none"
    return (
        f"{', '.join(sign_in.providers)} at {sign_in.origin}; tokens {sign_in.token_lifetime} s, "
        f"idle {sign_in.idle_lifetime} s, at most {sign_in.absolute_lifetime} s"
    )


def _levels(levels: tuple[Level, ...]) -> dict[str, tuple[str, ...]]:
    return {level.owner: tuple(_rule(rule) for rule in level.rules) for level in levels}


def _rule(rule: Rule) -> str:
    """`allow notes/access[0]: groups editors; methods GET`."""
    keys = (
        ("users", rule.users),
        ("groups", rule.groups),
        ("e-mail domains", rule.email_domains),
        ("methods", rule.methods),
        ("paths", rule.paths),
    )
    conditions = [f"{key} {', '.join(values)}" for key, values in keys if values is not None]
    if rule.public:
        conditions.insert(0, "anybody")
    if rule.risk is not None:
        conditions.append(f"risk {risk_range(rule.risk)}")
    return f"{rule.effect} {rule.name}: {'; '.join(conditions) or 'any signed-in user'}"
