"""Published sets that no rule was written for at first: what is blocked of them at paranoia 1.

The first three were read afterwards and their misses became rules; nobody has read payloadbox's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import published
import pytest
from engine import Engine
from ratchet import had, hold_pairs
from test_attacks import SETS

ATTACKS: Mapping[str, Callable[[], published.Asked]] = {
    "gotestwaf": lambda: published.gotestwaf("attacks"),
    "waf-bypass": lambda: published.waf_bypass("attacks"),
    "PayloadsAllTheThings": published.lists,
    "payloadbox": published.payloadbox,
}
BENIGN: Mapping[str, Callable[[], published.Asked]] = {
    "gotestwaf": lambda: published.gotestwaf("benign"),
    "waf-bypass": lambda: published.waf_bypass("benign"),
}


def counted(rules: str, get: Callable[[], published.Asked]) -> dict[str, tuple[int, int]]:
    """Blocked and asked, by class."""
    asked = had(lambda: list(get()))
    made, decode, _ = SETS[rules]
    engine = Engine(had(made), block=True, decode_overlong=decode)
    of = Counter(group for group, _ in asked)
    blocked = Counter(group for group, one in asked if engine.ask(one).blocked)
    return {group: (blocked[group], of[group]) for group in of}


@pytest.mark.parametrize("publisher", ATTACKS)
@pytest.mark.parametrize("rules", SETS)
def test_attacks_of_a_set_are_blocked(rules: str, publisher: str) -> None:
    found = counted(rules, ATTACKS[publisher])
    hold_pairs(f"{publisher} attacks, {rules}", found, more=True)


@pytest.mark.parametrize("publisher", BENIGN)
@pytest.mark.parametrize("rules", SETS)
def test_what_a_set_calls_benign_passes(rules: str, publisher: str) -> None:
    found = counted(rules, BENIGN[publisher])
    hold_pairs(f"{publisher} benign, {rules}", found, more=False)
