"""The form of `access` that the guard asks: the rules as they are, for it means what `decide` does.

The guard asks them where Envoy would ask its shadow rules and writes the answer there, so that the
filters below read it as they always did. A rule about the risk stays Envoy's own affair. Fed by
plan levels; feeds `features.guard`, and `features.access` says nothing twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ostiary.policy.rules import Effect, Level, Rule, reads_risk
from ostiary.policy.to_rbac import opens_to_all


def is_asked_by_guard(levels: Sequence[Level]) -> bool:
    """Whether the guard asks the rules of a route with sign-in, where there is one."""
    return not opens_to_all(levels) and not reads_risk(levels)


def to_guard(levels: Sequence[Level]) -> list[list[dict[str, Any]]]:
    """One list a level, one object a rule; what a rule does not ask is left out."""
    return [[_rule(rule) for rule in level.rules] for level in levels]


def _rule(rule: Rule) -> dict[str, Any]:
    names = ("methods", "paths", "users", "email_domains", "groups")
    made: dict[str, Any] = {
        name: list(value) for name in names if (value := getattr(rule, name)) is not None
    }
    if rule.effect is Effect.DENY:
        made["deny"] = True
    if rule.public:
        made["public"] = True
    return made
