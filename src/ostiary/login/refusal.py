"""A refusal in words: which rule, what is missing, what can be done. No more than that.

A signed-in person reads the public label of a rule and the kind of remedy; the rest is for
`explain`. Fed by `check`; feeds `replies`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ostiary.policy.decide import NO_RULE
from ostiary.policy.rules import Deny, Remedy

_REMEDIES: Final = {
    Remedy.SIGN_IN: "Sign out and sign in again.",
    Remedy.MEMBERSHIP: "Ask the owner of this application to add you, naming the decision below.",
    Remedy.ACCOUNT: "Sign in with another account, or have this account's e-mail address set.",
    Remedy.REQUEST: "Go back: what you tried is not allowed here, but other things are.",
    Remedy.TRUST: "Ask the administrator why the risk is high; it falls when its cause is settled.",
    Remedy.OWNER: "Only the owner of this application can change this; name the decision below.",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the refusal page and its JSON say."""

    decided: str
    """`notes/access[2] of route notes`, or that no rule allows it."""
    rule: str
    level: str
    missing: tuple[str, ...]
    remedies: tuple[str, ...]


def refusal(deny: Deny) -> Refusal:
    """`deny` in words, each sentence once."""
    missing = tuple(f"{one.rule}: {one.condition}" for one in deny.missing)
    remedies = (_REMEDIES[Remedy(one.remedy)] for one in deny.missing)
    nothing = deny.rule == NO_RULE
    decided = f"no rule of {deny.level} allows this" if nothing else f"{deny.rule} of {deny.level}"
    return Refusal(
        decided,
        deny.rule,
        deny.level,
        tuple(dict.fromkeys(missing)) or ("nothing you could add yourself",),
        tuple(dict.fromkeys(remedies)) or (_REMEDIES[Remedy.OWNER],),
    )
