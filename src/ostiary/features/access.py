"""`access`: who may do what. A set of rules; order never matters; none means nobody.

A request passes if no `deny` matches and some `allow` does, on every level that has an `access`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ostiary.features.fragment import (
    Block,
    Filter,
    Fragment,
    ListenerSite,
    Site,
    Stage,
)
from ostiary.policy.to_rbac import MAY_PREFIX, Credential, opens_to_all, or_already, to_rbac
from ostiary.protos.messages import rbac, rbac_filter

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"]


class Who(Block):
    """The conditions of one rule: every key written must hold."""

    feature: ClassVar[str] = "access"
    name: Annotated[str, Field(min_length=1, max_length=80)] | None = None
    """The label a refused person may read; default `notes/access[0]`."""
    public: Literal[True] | None = None
    """Anybody, signed in or not. Goes with `methods` and `paths` only."""
    users: Annotated[list[str], Field(min_length=1)] | None = None
    """User names or e-mail addresses."""
    groups: Annotated[list[str], Field(min_length=1)] | None = None
    """Any of these groups."""
    email_domains: Annotated[list[str], Field(min_length=1)] | None = None
    """The part behind the `@`, compared without case."""
    methods: Annotated[list[Method], Field(min_length=1)] | None = None
    paths: Annotated[list[str], Field(min_length=1)] | None = None
    """`/x` exact; `/x/*` also everything below, `/x` included."""


class AccessRule(Block):
    """Exactly one of `allow` and `deny`."""

    feature: ClassVar[str] = "access"
    allow: Who | None = None
    deny: Who | None = None


def slots(listener: ListenerSite) -> tuple[Filter, ...]:  # noqa: ARG001  rules are the routes' own
    """`may` enforces; without a route's rules it lets nobody pass."""
    nobody = rbac_filter.RBAC(rules=rbac.RBAC(action=rbac.RBAC.Action.ALLOW))
    return (Filter(Stage.MAY, Stage.MAY.slot, nobody),)


def fragment(site: Site) -> Fragment:
    """Enforce the levels of the route; with `login`, ask them before the slow path too.

    What the shadow allowed needs no second look. A route that is open to all on every level has
    nothing to ask, and pays nothing.
    """
    if opens_to_all(site.levels):
        return Fragment()
    if site.sign_in is None:
        return Fragment(per_route={Stage.MAY.slot: _enforce(to_rbac(site.levels, None))})
    credential = Credential(site.host, site.sign_in.group_set)
    rules = to_rbac(site.levels, credential)
    ask = rbac_filter.RBAC(shadow_rules=rules)
    return Fragment(
        per_route={
            Stage.GATE.slot: rbac_filter.RBACPerRoute(rbac=ask),
            Stage.MAY.slot: _enforce(or_already(rules)),
        }
    )


def _enforce(allowed: rbac.RBAC) -> rbac_filter.RBACPerRoute:
    return rbac_filter.RBACPerRoute(
        rbac=rbac_filter.RBAC(rules=allowed, rules_stat_prefix=MAY_PREFIX)
    )
