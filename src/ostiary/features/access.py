"""`access`: who may do what. A set of rules; order never matters; none means nobody.

A request passes if no `deny` matches and some `allow` does, on every level that has an `access`.
"""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Final, Literal

from pydantic import BeforeValidator, Field

from ostiary.features.fragment import (
    Block,
    Filter,
    Fragment,
    ListenerSite,
    Site,
    Stage,
)
from ostiary.policy.rules import HIGHEST_RISK, LEAST_RISK
from ostiary.policy.to_guard import is_asked_by_guard
from ostiary.policy.to_rbac import MAY_PREFIX, Credential, opens_to_all, or_already, to_rbac
from ostiary.protos.messages import rbac, rbac_filter

_COMPARISON: Final = re.compile(r"(<=?|>=?) ?([0-9]{1,3})")
Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"]


def scores(comparison: str) -> tuple[int, int]:
    """The least and the highest whole score for which `comparison` holds; `ValueError` for none."""
    found = _COMPARISON.fullmatch(comparison)
    if found is None or int(found[2]) > HIGHEST_RISK:
        raise ValueError('write a comparison with a score from 0 to 100, such as "< 60"')
    sign, score = found[1], int(found[2])
    beside = score if "=" in sign else score + (1 if sign == ">" else -1)
    wanted = (beside, HIGHEST_RISK) if sign[0] == ">" else (LEAST_RISK, beside)
    if wanted[0] > wanted[1]:
        raise ValueError(f"no score is {comparison}: scores go from 0 to 100")
    if wanted == (LEAST_RISK, HIGHEST_RISK):
        raise ValueError(f"every score is {comparison}: scores go from 0 to 100")
    return wanted


def _comparison(value: object) -> object:
    """Checked before its type is, for the same words help who wrote a number."""
    scores(value if isinstance(value, str) else "")
    return value


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
    risk: Annotated[str | None, BeforeValidator(_comparison)] = None
    """`"< 60"`, `"<= 60"`, `"> 60"` or `">= 60"`: the score of whoever asks, 0 to 100. Needs the
    guard."""


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

    What the shadow allowed needs no second look; nor what the guard did, which asks the rules in
    the shadow's place. A route that is open to all on every level has nothing to ask, and pays
    nothing.
    """
    if opens_to_all(site.levels):
        return Fragment()
    if site.sign_in is None:
        return Fragment(per_route={Stage.MAY.slot: _enforce(to_rbac(site.levels, None))})
    credential = Credential(site.host, site.sign_in.group_set)
    rules = to_rbac(site.levels, credential)
    enforced = {Stage.MAY.slot: _enforce(or_already(rules))}
    if site.guard and is_asked_by_guard(site.levels):
        return Fragment(per_route=enforced)
    ask = rbac_filter.RBACPerRoute(rbac=rbac_filter.RBAC(shadow_rules=rules))
    return Fragment(per_route={Stage.GATE.slot: ask, **enforced})


def _enforce(allowed: rbac.RBAC) -> rbac_filter.RBACPerRoute:
    return rbac_filter.RBACPerRoute(
        rbac=rbac_filter.RBAC(rules=allowed, rules_stat_prefix=MAY_PREFIX)
    )
