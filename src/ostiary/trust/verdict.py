"""Verdicts: what is held against a user, a session, a device, a workload, an address, a credential.

The same words as in `proto/verdicts.proto` and in the guard. Fed by the command line, the admin API
and `login`; feeds the store and, through the stream, every proxy.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final
from uuid import UUID

from ostiary.errors import Refused

LONGEST_KEY: Final = 1024
"""Bytes of a key (`proto/verdicts.proto`)."""
HIGHEST_SCORE: Final = 100
_CODE: Final = re.compile(r"[a-z0-9-]{1,64}")
_TOKEN: Final = re.compile(r"[0-9a-f]{64}")
_WORKLOAD: Final = re.compile(r"spiffe://[a-z0-9._-]{1,255}(/(?!\.{1,2}(/|$))[a-zA-Z0-9._-]+)+")
_MAPPED: Final = 96
"""Bits before an IPv4 address that is written as IPv6."""
_SHORTEST: Final = 0.001
"""Seconds: the stream counts milliseconds."""
_END: Final = 253_402_300_800.0
"""Seconds: the year 10000."""
_LARGEST: Final = 2**32 - 1
"""Of a rate, and of its milliseconds (`proto/verdicts.proto`)."""


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
    KNOWN = "known"
    """Nothing: the API key exists, and this is what says so."""


_SEVERITY: Final = {Effect.LIMIT: 1, Effect.STEP_UP: 2, Effect.DENY: 3}


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
    for what, code in (("reason", verdict.reason), ("source", verdict.source)):
        if not _CODE.fullmatch(code):
            raise Refused(
                "verdict-reason",
                f"{code!r} is no code for a {what}",
                "1 to 64 lower-case letters, digits and hyphens, for example left-company",
            )
    if not 0 <= verdict.score <= HIGHEST_SCORE:
        raise Refused("verdict-score", f"{verdict.score} is no score", "a score is from 0 to 100")
    if verdict.effect is Effect.LIMIT and not _is_rate(verdict.rate, verdict.per):
        raise Refused(
            "verdict-rate", "a limit needs a rate", "for example 10/m: ten requests a minute"
        )
    if not 0 <= verdict.since < _END or not 0 <= verdict.expires < _END:
        raise Refused("verdict-time", "a time is not one", "times are seconds since 1970")
    if verdict.expires and verdict.expires <= verdict.since:
        raise Refused("verdict-expired", "the verdict would be over at once", "give a later end")
    return replace(verdict, key=_key(verdict.kind, verdict.key))


def most_severe(verdicts: Iterable[Verdict]) -> Verdict | None:
    """The one that wins: deny before step-up before limit; of equals the first. Scores never do."""
    ordered = [one for one in verdicts if one.effect in _SEVERITY]
    return max(ordered, key=lambda one: _SEVERITY[one.effect], default=None)


def risk(verdicts: Iterable[Verdict], now: float) -> int:
    """The highest score that holds; 0 when there is none."""
    scores = (one.score for one in verdicts if one.effect is Effect.SCORE and one.holds(now))
    return max(scores, default=0)


def keys_of_address(text: str) -> list[str]:
    """Every key under which a verdict may be about the client at `text`: itself and its ranges.

    Empty when it is no address: whoever comes from nowhere that is known has no verdict on it.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return []
    address = getattr(address, "ipv4_mapped", None) or address
    made: type[IPv4Address | IPv6Address] = type(address)
    bits, number = address.max_prefixlen, int(address)
    ranges = (
        f"{made(number >> (bits - length) << (bits - length))}/{length}" for length in range(bits)
    )
    return [str(made(number)), *ranges]


def standing(verdicts: Iterable[Verdict], now: float, auth_time: float | None) -> Verdict | None:
    """The most severe verdict that holds for somebody who signed in at `auth_time`.

    Scores never refuse by themselves, so they are not among the answers.
    """
    return most_severe(
        one
        for one in verdicts
        if one.holds(now)
        and not (one.effect is Effect.STEP_UP and auth_time is not None and auth_time >= one.since)
    )


def _is_rate(rate: int, per: float) -> bool:
    return 1 <= rate <= _LARGEST and _SHORTEST <= per <= _LARGEST / 1000


def _key(kind: Kind, key: str) -> str:
    if not key or len(key.encode()) > LONGEST_KEY or not key.isprintable():
        raise Refused(
            "verdict-key", f"{key!r} names no {kind}", "a key has 1 to 1024 printable bytes"
        )
    if kind is Kind.ADDRESS:
        return _address(key)
    if kind is Kind.TOKEN and not _TOKEN.fullmatch(key):
        raise Refused(
            "verdict-key", "a token is named by its SHA-256", "64 hexadecimal digits in lower case"
        )
    if kind is Kind.WORKLOAD and not _WORKLOAD.fullmatch(key):
        raise Refused(
            "verdict-key",
            f"{key!r} is no SPIFFE id of a workload",
            "for example spiffe://example.org/default/default/service/notes",
        )
    return key


def _address(key: str) -> str:
    """`192.0.2.7` or `2001:db8::/32`: a range of one address is that address.

    An IPv4 address written as IPv6 is that IPv4 address: clients come with it.
    """
    try:
        network = ip_network(key)
        if "%" in key:
            raise ValueError("an interface is no part of an address")  # noqa: TRY301
    except ValueError as error:
        raise Refused(
            "verdict-key",
            f"{key!r} is no address or range: {error}",
            "for example 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32",
        ) from error
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is not None and network.prefixlen >= _MAPPED:
        return _address(f"{mapped}/{network.prefixlen - _MAPPED}")
    single = network.prefixlen == network.max_prefixlen
    return str(network.network_address) if single else str(network)
