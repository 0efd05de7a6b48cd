"""Benign traffic passes: at most 0.5 % of the corpus is blocked at paranoia 1."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

import pytest
from benign_requests import corpus, special
from engine import Engine
from messages import Message
from ratchet import had, hold_pairs
from rule_sets import Rules, core, crs4

MOST = 0.005
USED = (
    'SecAction "id:120,phase:1,pass,nolog,'
    "setvar:'tx.allowed_methods=GET HEAD POST OPTIONS PUT PATCH DELETE',"
    "setvar:'tx.allowed_request_content_type=|application/x-www-form-urlencoded| "
    "|multipart/form-data| |text/xml| |application/xml| |application/soap+xml| |application/json| "
    "|application/vnd.api+json| |application/csp-report| |text/plain| |text/markdown|'\""
)
"""CRS asks each site to say which methods and types it uses; the corpus has an API, and beacons."""
SETS: Mapping[str, Callable[[], Rules]] = {
    "core": core,
    "crs-4.25.0": lambda: crs4(USED),
    "crs-4.25.0 and core": lambda: crs4(USED, core=True),
}


@pytest.mark.parametrize("name", SETS)
def test_benign_traffic_passes(name: str) -> None:
    pairs = counted(name, corpus())
    blocked, of = map(sum, zip(*pairs.values(), strict=True))
    assert of > 6_000
    assert blocked <= MOST * of, f"{name}: {pairs}"
    hold_pairs(f"benign, {name}", pairs, more=False)


@pytest.mark.parametrize("name", SETS)
def test_what_only_some_sites_have_is_counted_by_itself(name: str) -> None:
    hold_pairs(f"special, {name}", counted(name, special()), more=False)


def counted(name: str, asked: Iterable[tuple[str, Message]]) -> dict[str, tuple[int, int]]:
    """Blocked and asked, by kind."""
    engine = Engine(had(SETS[name]), block=True)
    of: Counter[str] = Counter()
    blocked: Counter[str] = Counter()
    for kind, message in asked:
        of[kind] += 1
        blocked[kind] += engine.ask(message).blocked
    return {kind: (blocked[kind], count) for kind, count in of.items()}


def test_a_set_up_that_says_nothing_refuses_only_methods_and_types_more() -> None:
    plain, told = (Engine(had(lambda more=more: crs4(*more)), block=True) for more in ((), (USED,)))
    for _, message in corpus():
        if plain.ask(message).blocked and not told.ask(message).blocked:
            kind = dict(message.headers).get(b"Content-Type", b"")
            other = kind.startswith((b"text/", b"application/vnd.", b"application/csp-"))
            assert other or message.method in (b"PUT", b"PATCH", b"DELETE")
