"""The nouns of sign-in: accounts, sessions, one-time codes and how long each of them lives.

Times are seconds since the epoch, durations seconds. Fed by `store`; feeds every other file here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from ostiary.errors import Refused

NAME_LIMIT: Final = 128
EMAIL_LIMIT: Final = 254


@dataclass(frozen=True, slots=True)
class Account:
    """A local account. `password_hash` is an argon2id string and never printed."""

    name: str
    email: str
    groups: tuple[str, ...]
    created: float
    disabled: bool = False
    password_hash: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in of one person in one browser, on every host; `dead` says why it has ended."""

    sid: str
    account: str
    provider: str
    assurance: str
    created: float
    last_used: float
    dead: str | None = None


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long things live, as `sessions:` says."""

    token: int
    idle: int
    absolute: int


@dataclass(frozen=True, slots=True)
class Code:
    """A one-time code on its way from the sign-in host to an application host; see `codes`."""

    digest: str
    sid: str
    host: str
    start: str
    to: str
    """The absolute address the person came for, already checked."""
    begun: float
    """When the person arrived at the sign-in host."""
    created: float
    used: float | None = None


def check_account(name: str, email: str, groups: tuple[str, ...]) -> None:
    """The three are fit for an account; else `Refused` with what is wrong."""
    for word, text, limit in (
        ("name", name, NAME_LIMIT),
        ("e-mail address", email, EMAIL_LIMIT),
        *(("group name", group, NAME_LIMIT) for group in groups),
    ):
        if len(text) > limit or not text.isprintable() or text != text.strip():
            raise Refused(
                "account-invalid",
                f"the {word} {text[:40]!r} cannot be used",
                f"at most {limit} printable characters, none of them a space at either end",
            )
    if ":" in name:
        raise Refused(
            "account-invalid",
            f"the name {name[:40]!r} cannot be used: it would be somebody of an issuer's",
            "users of issuers and services with a key are called <who vouches>:<name>; leave out :",
        )
    if not name or not all(groups):
        raise Refused("account-invalid", "an account and its groups need a name that is not empty")
    if email and email.count("@") != 1:
        raise Refused("account-invalid", f"{email!r} is not an e-mail address", "name@domain")


def why_ended(session: Session, account: Account, lifetimes: Lifetimes, now: float) -> str | None:
    """The reason why nothing may be minted for `session` any more; None while it is alive."""
    if session.dead is not None:
        return session.dead
    if account.disabled:
        return "account-disabled"
    if now >= session.created + lifetimes.absolute:
        return "absolute-lifetime"
    return None
