"""What a rule is, and what it means.

`Rule`s come from `access` blocks; `decide()` (in `decide.py`) is the reference meaning,
`to_rbac()` (in `to_rbac.py`) the compiled form. Fed by `features.access` and `plan`; feeds the
compiler, `login` and `explain`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

LEAST_RISK: Final = 0
"""The score of whom no verdict scores."""
HIGHEST_RISK: Final = 100


class Effect(StrEnum):
    """What a matching rule does."""

    ALLOW = "allow"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: every key that is not None must hold. An empty rule holds for any signed-in user.

    `name` is the public label (`route/access[2]` when the writer gave none). `paths` are patterns:
    `/x` exact, `/x/*` that prefix and `/x` itself, `/*` everything. `public` means that no
    identity is asked for; it goes with `methods`, `paths` and `risk` only.
    """

    name: str
    effect: Effect
    public: bool = False
    users: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None
    email_domains: tuple[str, ...] | None = None
    methods: tuple[str, ...] | None = None
    paths: tuple[str, ...] | None = None
    risk: tuple[int, int] | None = None
    """The least and the highest score, both within `LEAST_RISK` and `HIGHEST_RISK`."""


@dataclass(frozen=True, slots=True)
class Level:
    """The `access` of one level (gateway, route or service). Order of rules never matters."""

    owner: str
    """`gateway main`, `route notes`, `service notes`: named in refusals."""
    rules: tuple[Rule, ...]


def reads_risk(levels: Iterable[Level]) -> bool:
    """Whether a rule of `levels` asks for the risk."""
    return any(rule.risk is not None for level in levels for rule in level.rules)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks, as a valid session token says. Group names are only those that policies name."""

    subject: str
    """The user name: what `users:` compares with, together with `email`."""
    email: str = ""
    groups: frozenset[str] = frozenset()
    groups_known: bool = True
    """False when the token was minted for another set of group names: its groups say nothing."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """All that `decide` may look at. `path` is normalised and has no query."""

    method: str
    path: str
    identity: Identity | None = None
    """None when nobody is signed in or the credential is for another host."""
    risk: int | None = None
    """The highest score of whoever asks; None when nobody says, as without the guard."""


@dataclass(frozen=True, slots=True)
class Allow:
    """The request passes; `rules` names the rule that allowed it on each level."""

    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Challenge:
    """A (fresher, stronger) sign-in alone would make it `Allow`."""

    assurance: str = "password"
    max_age: int | None = None


class Remedy(StrEnum):
    """What kind of act would help."""

    SIGN_IN = "sign-in"
    """Sign in, or sign in afresh."""
    MEMBERSHIP = "membership"
    """Ask the owner to be named in the rule or put into the group."""
    ACCOUNT = "account"
    """Use another account, or have the e-mail address of this one set."""
    REQUEST = "request"
    """Another method or path would be allowed."""
    TRUST = "trust"
    """A lower risk: what scores this account, device or address ends."""
    OWNER = "owner"
    """Only the owner of the rules can change this."""


@dataclass(frozen=True, slots=True)
class Missing:
    """The smallest condition that is not met: of which rule, in words, and its kind of remedy."""

    rule: str
    condition: str
    remedy: str
    """A `Remedy`."""


@dataclass(frozen=True, slots=True)
class Deny:
    """The request is refused. `rule` is the `deny` that matched, or the level's default."""

    level: str
    rule: str
    missing: tuple[Missing, ...] = field(default=())


Decision = Allow | Challenge | Deny
