"""Published attack payloads are blocked at paranoia 1."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from urllib.parse import quote_plus

import payloads
import pytest
from engine import Engine
from messages import Message, get, post
from ratchet import had, hold_pairs
from rule_sets import Rules, core, crs4

SETS: Mapping[str, tuple[Callable[[], Rules], bool, float]] = {
    "crs-4.25.0 without decoders": (crs4, False, 0.0),
    "crs-4.25.0": (crs4, True, 0.92),
    "core": (core, True, 0.0),
    "crs-4.25.0 and core": (lambda: crs4(core=True), True, 0.97),
}
"""Rules, whether overlong and %u forms are decoded, and the share that has to be blocked."""
SAMPLE = 10
"""Of the two largest categories every tenth payload is taken; each stands for ten."""
LARGE = 2_000


@pytest.mark.parametrize("name", SETS)
def test_the_published_set_is_blocked(name: str) -> None:
    every = {one: had(lambda one=one: payloads.mgm(one)) for one in payloads.CATEGORIES}
    rules, decode, least = SETS[name]
    engine = Engine(had(rules), block=True, decode_overlong=decode)
    stopped, total = 0, 0
    found: dict[str, tuple[int, int]] = {}
    for category, texts in every.items():
        step = SAMPLE if len(texts) > LARGE else 1
        asked = [one for text in texts[::step] for one in payloads.requests(category, text)]
        blocked = sum(engine.ask(one).blocked for one in asked)
        found |= {category: (blocked, len(asked))}
        stopped, total = stopped + step * blocked, total + step * len(asked)
    assert stopped >= least * total, f"{name}: {stopped / total:.2%}: {found}"
    hold_pairs(f"mgm payloads, {name}", found, more=True)


@pytest.mark.parametrize("name", SETS)
def test_a_set_that_no_rule_was_written_for_is_blocked(name: str) -> None:
    every = {one: had(lambda one=one: payloads.wapiti(one)) for one in payloads.WAPITI}
    rules, decode, _ = SETS[name]
    engine = Engine(had(rules), block=True, decode_overlong=decode)
    found: dict[str, tuple[int, int]] = {}
    for category, texts in every.items():
        asked = [one for text in texts for one in encoded(category, text)]
        found |= {category: (sum(engine.ask(one).blocked for one in asked), len(asked))}
    hold_pairs(f"wapiti payloads, {name}", found, more=True)


def encoded(category: str, text: str) -> Iterator[Message]:
    """The payload as a scanner sends it: percent-encoded once, whatever it holds."""
    if category == "xxe":
        yield from payloads.requests(category, text)
        return
    value = quote_plus(text)
    yield get(f"/?x={value}", payloads.AGENT, payloads.ACCEPT)
    yield post("/", payloads.FORM, f"x={value}".encode(), payloads.AGENT, payloads.ACCEPT)
