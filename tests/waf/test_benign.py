"""Benign traffic passes: at most 0.5 % of the corpus is blocked at paranoia 1."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import pytest
from benign_requests import corpus
from engine import Engine
from ratchet import had, hold_pairs
from rule_sets import Rules, core, crs4

MOST = 0.005
METHODS = (
    'SecAction "id:120,phase:1,pass,nolog,'
    "setvar:'tx.allowed_methods=GET HEAD POST OPTIONS PUT PATCH DELETE'\""
)
"""CRS asks each site to say which methods it uses; the corpus has an API."""
SETS: Mapping[str, Callable[[], Rules]] = {
    "core": core,
    "crs-4.25.0": lambda: crs4(METHODS),
    "crs-4.25.0 and core": lambda: crs4(METHODS, core=True),
}


@pytest.mark.parametrize("name", SETS)
def test_benign_traffic_passes(name: str) -> None:
    engine = Engine(had(SETS[name]), block=True)
    of: Counter[str] = Counter()
    blocked: Counter[str] = Counter()
    for kind, message in corpus():
        of[kind] += 1
        blocked[kind] += engine.ask(message).blocked
    assert of.total() > 4_000
    assert blocked.total() <= MOST * of.total(), f"{name}: {blocked} of {of}"
    pairs = {kind: (blocked[kind], count) for kind, count in of.items()}
    hold_pairs(f"benign, {name}", pairs, more=False)


def test_a_set_up_that_says_nothing_refuses_only_methods_more() -> None:
    plain, told = (
        Engine(had(lambda more=more: crs4(*more)), block=True) for more in ((), (METHODS,))
    )
    for _, message in corpus():
        if plain.ask(message).blocked and not told.ask(message).blocked:
            assert message.method in (b"PUT", b"PATCH", b"DELETE")
