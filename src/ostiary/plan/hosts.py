"""Host patterns: which covers which, and where people sign in.

Fed by `doors` and `routes`; `match` uses the same `covers`, so routing and checking agree.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_SECOND_LEVEL: Final = frozenset({"ac", "co", "com", "edu", "gob", "gov", "net", "or", "org"})
"""Labels under which country registries sell names: `x.co.uk` has no parent of its own."""


def covers(pattern: str, host: str) -> bool:
    """Whether every request for `host` (exact or a pattern) is also one for `pattern`."""
    if pattern in ("*", host):
        return True
    return pattern.startswith("*.") and host.removeprefix("*").endswith(pattern[1:])


def certified(pattern: str, host: str) -> bool:
    """Whether a certificate for `pattern` is good for `host`: `*` is one label (RFC 9525, 6.3)."""
    if pattern == host:
        return True
    return pattern.startswith("*.") and host.partition(".")[2] == pattern[2:]


def sign_in_host(hosts: Iterable[str]) -> str | None:
    """`login.` before the common parent of `hosts`; None when they share none that is theirs.

    `*.apps.localhost` gives `login.apps.localhost`, `notes.localhost` gives `login.localhost`. A
    public suffix is nobody's parent: `notes.example` gives `login.notes.example`.
    """
    parents = [_parent(host) for host in hosts if host != "*"]
    if not parents:
        return None
    common = parents[0]
    for parent in parents[1:]:
        common = _shared(common, parent)
    if not common or _is_public(common):
        return None
    return "login." + ".".join(common)


def _parent(host: str) -> list[str]:
    labels = host.removeprefix("*.").split(".")
    if host.startswith("*.") or len(labels) == 1 or _is_public(labels[1:]):
        return labels
    return labels[1:]


def _shared(one: list[str], other: list[str]) -> list[str]:
    shared: list[str] = []
    for a, b in zip(reversed(one), reversed(other), strict=False):
        if a != b:
            break
        shared.insert(0, a)
    return shared


def _is_public(labels: list[str]) -> bool:
    if len(labels) == 1:
        return labels[0] != "localhost"
    return len(labels) == 2 and len(labels[1]) == 2 and labels[0] in _SECOND_LEVEL  # noqa: PLR2004
