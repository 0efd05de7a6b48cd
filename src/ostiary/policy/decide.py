"""The reference meaning of `access`: what Envoy's compiled form must agree with, always.

Fed by a policy record and the inputs of one request; feeds `login` (why was this refused, would a
sign-in help) and `explain`. `tests/meaning` compares it with real Envoy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice, product
from typing import Final

from ostiary.policy.conditions import Outcome, examine, is_address, lower, matches
from ostiary.policy.rules import (
    Allow,
    Challenge,
    Decision,
    Deny,
    Effect,
    Identity,
    Inputs,
    Level,
    Missing,
    Remedy,
    Rule,
)
from ostiary.policy.words import condition, describe

NO_RULE: Final = "(no rule allows this)"
"""`Deny.rule` when nothing denied and nothing allowed."""
_MOST_PEOPLE: Final = 2_000
"""So many made-up people are tried before we simply let the person sign in and see."""
_MOST_MISSING: Final = 3
_REMEDIES: Final = {
    "identity": Remedy.SIGN_IN,
    "users": Remedy.MEMBERSHIP,
    "groups": Remedy.MEMBERSHIP,
    "email_domains": Remedy.ACCOUNT,
    "methods": Remedy.REQUEST,
    "paths": Remedy.REQUEST,
    "risk": Remedy.TRUST,
}


def decide(levels: Sequence[Level], inputs: Inputs) -> Decision:
    """Allow, Challenge or Deny; every level must allow, and no level at all means nobody may.

    On a level a request passes if no `deny` matches and some `allow` does; the order of rules
    never matters. `Challenge` is returned only when nobody is signed in and somebody could sign
    in who would be allowed exactly this request.
    """
    verdict = _judge(levels, inputs)
    if isinstance(verdict, Deny) and inputs.identity is None and _could_anybody(levels, inputs):
        return Challenge()
    return verdict


def _judge(levels: Sequence[Level], inputs: Inputs) -> Allow | Deny:
    if not levels:
        return Deny("route", NO_RULE, (Missing(NO_RULE, "has no `access`", Remedy.OWNER),))
    names = []
    for level in levels:
        denying = _first(level, inputs, Effect.DENY)
        if denying is not None:
            return Deny(level.owner, denying.name, (_denied(denying, inputs),))
        allowing = _first(level, inputs, Effect.ALLOW)
        if allowing is None:
            return Deny(level.owner, NO_RULE, _smallest(level, inputs))
        names.append(allowing.name)
    return Allow(tuple(names))


def _first(level: Level, inputs: Inputs, effect: Effect) -> Rule | None:
    """The matching rule with the smallest name, so that order really never matters."""
    hits = [rule for rule in level.rules if rule.effect is effect and matches(rule, inputs)]
    return min(hits, key=lambda rule: rule.name, default=None)


def _denied(rule: Rule, inputs: Inputs) -> Missing:
    for key, outcome in examine(rule, inputs):
        if outcome is Outcome.ABSENT:
            unknown = f"{describe(rule)}, and this request does not say otherwise: {key} unknown"
            return Missing(rule.name, unknown, _remedy(key, outcome))
    return Missing(rule.name, describe(rule), Remedy.OWNER)


def _smallest(level: Level, inputs: Inputs) -> tuple[Missing, ...]:
    """What is missing to the `allow` rules that came nearest; at most three of them."""
    near: list[list[Missing]] = []
    for rule in level.rules:
        if rule.effect is Effect.ALLOW:
            unmet = [(key, out) for key, out in examine(rule, inputs) if out is not Outcome.HOLDS]
            near.append([Missing(rule.name, condition(rule, k), _remedy(k, o)) for k, o in unmet])
    if not near:
        return (Missing(NO_RULE, "has no `allow` rule", Remedy.OWNER),)
    fewest = min(map(len, near))
    chosen = sorted((unmet for unmet in near if len(unmet) == fewest), key=_by_rule)
    return tuple(missing for unmet in chosen[:_MOST_MISSING] for missing in unmet)


def _by_rule(unmet: list[Missing]) -> str:
    return unmet[0].rule


def _remedy(key: str, outcome: Outcome) -> Remedy:
    if key == "groups" and outcome is Outcome.ABSENT:
        return Remedy.SIGN_IN
    if key == "users" and outcome is Outcome.ABSENT:
        return Remedy.ACCOUNT
    return _REMEDIES[key]


def _could_anybody(levels: Sequence[Level], inputs: Inputs) -> bool:
    """Whether some account, existing or not, would be allowed this request."""
    if not levels:
        return False
    people = list(islice(_people(levels), _MOST_PEOPLE + 1))
    tries = (replace(inputs, identity=_joined(levels, inputs, who)) for who in people)
    return len(people) > _MOST_PEOPLE or any(isinstance(_judge(levels, t), Allow) for t in tries)


def _people(levels: Sequence[Level]) -> Iterator[Identity]:
    """Everybody whom the rules tell apart by name, address or domain."""
    rules = [rule for level in levels for rule in level.rules]
    users = {user for rule in rules for user in rule.users or ()}
    domains = {lower(domain) for rule in rules for domain in rule.email_domains or ()}
    stranger = "-"
    while stranger in users:
        stranger += "-"
    addresses = sorted({lower(user) for user in users if is_address(user)})
    emails = ["", f"{stranger}@{stranger}", *addresses]
    emails += [f"{stranger}@{domain}" for domain in sorted(domains)]
    for subject, email in product([stranger, *sorted(users)], emails):
        yield Identity(subject, email)


def _joined(levels: Sequence[Level], inputs: Inputs, who: Identity) -> Identity:
    """`who` as a member of every group that no `deny` would hold against them."""
    rules = [rule for level in levels for rule in level.rules]
    wanted = {group for rule in rules for group in rule.groups or ()}
    for rule in rules:
        if rule.effect is Effect.DENY and rule.groups is not None:
            others = replace(rule, groups=None)
            if matches(others, replace(inputs, identity=who)):
                wanted -= set(rule.groups)
    return replace(who, groups=frozenset(wanted))
