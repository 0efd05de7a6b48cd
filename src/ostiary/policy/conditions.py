"""Does one rule hold? Each key by itself: it holds, it fails, or its input is absent.

An `allow` matches when every key holds; a `deny` matches when no key fails. Fed by `decide`.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from ostiary.policy.rules import Effect, Identity, Inputs, Rule


class Outcome(Enum):
    """What an input says about one key."""

    HOLDS = "holds"
    FAILS = "fails"
    ABSENT = "absent"


def matches(rule: Rule, inputs: Inputs) -> bool:
    """Whether `rule` has its effect on this request."""
    outcomes = {outcome for _, outcome in examine(rule, inputs)}
    if rule.effect is Effect.ALLOW:
        return outcomes <= {Outcome.HOLDS}
    return Outcome.FAILS not in outcomes


def examine(rule: Rule, inputs: Inputs) -> Iterator[tuple[str, Outcome]]:
    """Each key that `rule` has and what the inputs say about it; cheap keys first."""
    if rule.methods is not None:
        yield "methods", _truth(inputs.method in rule.methods)
    if rule.paths is not None:
        yield "paths", _truth(any(path_matches(p, inputs.path) for p in rule.paths))
    if rule.risk is not None:
        yield "risk", _risk(rule.risk, inputs.risk)
    if needs_identity(rule) and inputs.identity is None:
        yield "identity", Outcome.ABSENT
    elif inputs.identity is not None:
        yield from _examine_identity(rule, inputs.identity)


def needs_identity(rule: Rule) -> bool:
    """Whether an `allow` can only hold for somebody who is signed in."""
    named = (rule.users, rule.groups, rule.email_domains)
    return not rule.public or any(key is not None for key in named)


def path_matches(pattern: str, path: str) -> bool:
    """`/x` exact; `/x/*` that prefix and `/x` itself; `/*` everything. `path` has no query."""
    if not pattern.endswith("/*"):
        return path == pattern
    prefix = pattern[:-1]
    return prefix == "/" or path == pattern[:-2] or path.startswith(prefix)


def lower(text: str) -> str:
    """Lower case for ASCII letters only, as Envoy compares."""
    return text.encode().lower().decode()


def is_address(user: str) -> bool:
    """Whether a `users` entry may name an e-mail address."""
    return "@" in user


def _examine_identity(rule: Rule, identity: Identity) -> Iterator[tuple[str, Outcome]]:
    if rule.users is not None:
        yield "users", _users(rule.users, identity)
    if rule.email_domains is not None:
        yield "email_domains", _domains(rule.email_domains, identity.email)
    if rule.groups is not None:
        known = identity.groups_known
        in_one = not identity.groups.isdisjoint(rule.groups)
        yield "groups", _truth(in_one) if known else Outcome.ABSENT


def _users(users: tuple[str, ...], identity: Identity) -> Outcome:
    """By user name, or by e-mail address without case; absent if one is missing that could tell."""
    addresses = {lower(user) for user in users if is_address(user)}
    if identity.subject and identity.subject in users:
        return Outcome.HOLDS
    if is_address(identity.email) and lower(identity.email) in addresses:
        return Outcome.HOLDS
    could_tell = identity.subject and (is_address(identity.email) or not addresses)
    return Outcome.FAILS if could_tell else Outcome.ABSENT


def _domains(domains: tuple[str, ...], email: str) -> Outcome:
    if not is_address(email):
        return Outcome.ABSENT
    domain = lower(email.rpartition("@")[2])
    return _truth(any(domain == lower(wanted) for wanted in domains))


def _risk(wanted: tuple[int, int], risk: int | None) -> Outcome:
    least, highest = wanted
    return Outcome.ABSENT if risk is None else _truth(least <= risk <= highest)


def _truth(value: bool) -> Outcome:  # noqa: FBT001  it is the whole input
    return Outcome.HOLDS if value else Outcome.FAILS
