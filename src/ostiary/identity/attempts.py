"""How long a guesser must wait: delays that grow with each failure and never lock for good.

Three counters: the address, the account as seen from that address, and the account as a whole.
The last one is generous and short, so that a stranger cannot keep somebody out of their account.
Names are counted whether or not an account has them: a delay tells nothing about its existence.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Final

FORGET: Final = 3600.0
"""Seconds of silence after which earlier failures do not count."""
_STEEPEST: Final = 16


@dataclass(frozen=True, slots=True)
class Counter:
    """One thing that is counted: `free` attempts cost nothing, then each doubles the wait."""

    key: str
    free: int
    longest: float
    """Seconds; the wait grows up to this."""


def counters(name: str, address: str) -> tuple[Counter, ...]:
    """What an attempt to sign in as `name` from `address` counts against."""
    account = hashlib.sha256(name.encode()).hexdigest()[:32]
    network = network_of(address)
    return (
        Counter(f"address {network}", free=20, longest=300.0),
        Counter(f"account {account} address {network}", free=5, longest=60.0),
        Counter(f"account {account}", free=30, longest=30.0),
    )


def network_of(address: str) -> str:
    """The address as counted: IPv6 by its /64, for one subscriber has all of it."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return "unknown"
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"


def wait(counter: Counter, failures: int, last: float, now: float) -> float:
    """Seconds until the next attempt is taken; 0 when it is taken now."""
    over = failures - counter.free
    if over < 0 or now - last > FORGET:
        return 0.0
    delay = min(counter.longest, 2.0 ** min(over, _STEEPEST))
    return max(0.0, last + delay - now)
