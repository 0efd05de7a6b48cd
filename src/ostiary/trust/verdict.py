"""Verdicts: what is held against a user, a session, a device, a workload, an address, a credential.

The same words as in `proto/verdicts.proto` and in the guard. Fed by the command line, the admin API
and `login`; feeds the store and, through the stream, every proxy.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from ipaddress import ip_network
from typing import Final
from uuid import UUID

from ostiary.errors import Refused

LONGEST_KEY: Final = 1024
"""Bytes of a key (`proto/verdicts.proto`)."""
HIGHEST_SCORE: Final = 100
_CODE: Final = re.compile(r"[a-z0-9-]{1,64}")
_TOKEN: Final = re.compile(r"[0-9a-f]{64}")


class Kind(StrEnum):
    """What a verdict is about."""

    USER = "user"
    SESSION = "session"
    DEVICE = "device"
    WORKLOAD = "workload"
    ADDRESS = "address"
    API_KEY = "api-key"
    TOKEN = "token"  # noqa: S105  the word, not a secret
    PROVIDER = "provider"


class Effect(StrEnum):
    """What is done about it; see `severity`."""

    DENY = "deny"
    STEP_UP = "step-up"
    """Whoever signed in before it must do so again."""
    LIMIT = "limit"
    SCORE = "score"


_SEVERITY: Final = {Effect.SCORE: 0, Effect.LIMIT: 1, Effect.STEP_UP: 2, Effect.DENY: 3}


@dataclass(frozen=True, slots=True)
class Verdict:
    """One decision. Times are seconds since 1970; `expires` 0 means never."""

    id: UUID
    kind: Kind
    key: str
    effect: Effect
    reason: str
    """A code: lower-case letters, digits and hyphens."""
    source: str
    """Which part of the system said so, as a code."""
    since: float
    expires: float = 0.0
    score: int = 0
    rate: int = 0
    """Requests ..."""
    per: float = 0.0
    """... in so many seconds."""

    def holds(self, now: float) -> bool:
        """Whether it is not over yet."""
        return not self.expires or now < self.expires


def checked(verdict: Verdict) -> Verdict:
    """`verdict` with its key in the one form that is compared; `Refused` says what is wrong."""
    if not _CODE.fullmatch(verdict.reason) or not _CODE.fullmatch(verdict.source):
        raise _refused(
            "reason",
            f"{verdict.reason!r} is no reason code",
            "a code has lower-case letters, digits and hyphens: --reason left-company",
        )
    if verdict.effect is Effect.SCORE and not 0 <= verdict.score <= HIGHEST_SCORE:
        raise _refused("score", f"{verdict.score} is no score", "a score is from 0 to 100")
    if verdict.effect is Effect.LIMIT and (verdict.rate < 1 or verdict.per < 0.001):  # noqa: PLR2004
        raise _refused("rate", "a limit needs a rate", "for example: --rate 10/m")
    if verdict.expires and verdict.expires <= verdict.since:
        raise _refused("expired", "the verdict would be over at once", "give a later end")
    return replace(verdict, key=_key(verdict.kind, verdict.key))


def standing(verdicts: Iterable[Verdict], now: float, auth_time: float | None) -> Verdict | None:
    """The most severe verdict that holds for somebody who signed in at `auth_time`.

    Scores never refuse by themselves, so they are not among the answers.
    """
    found = None
    for one in verdicts:
        if not one.holds(now) or one.effect is Effect.SCORE:
            continue
        if one.effect is Effect.STEP_UP and auth_time is not None and auth_time >= one.since:
            continue
        if found is None or _SEVERITY[one.effect] > _SEVERITY[found.effect]:
            found = one
    return found


def _key(kind: Kind, key: str) -> str:
    if not key or len(key.encode()) > LONGEST_KEY or not key.isprintable():
        raise _refused("key", f"{key!r} names no {kind}", "a key has 1 to 1024 printable bytes")
    if kind is Kind.ADDRESS:
        return _address(key)
    if kind is Kind.TOKEN and not _TOKEN.fullmatch(key):
        raise _refused(
            "key", "a token is named by its SHA-256", "64 hexadecimal digits in lower case"
        )
    if kind is Kind.WORKLOAD and not key.startswith("spiffe://"):
        raise _refused("key", f"{key!r} is no SPIFFE id", "for example: spiffe://example.org/app")
    return key


def _address(key: str) -> str:
    """`192.0.2.7` or `2001:db8::/32`: a range of one address is that address."""
    try:
        network = ip_network(key)
    except ValueError as error:
        raise _refused(
            "key",
            f"{key!r} is no address or range: {error}",
            "for example 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32",
        ) from error
    single = network.prefixlen == network.max_prefixlen
    return str(network.network_address) if single else str(network)


def _refused(what: str, message: str, hint: str) -> Refused:
    return Refused(f"verdict-{what}", message, hint)
