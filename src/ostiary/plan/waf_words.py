"""What `waf` held for a route, as the policy record keeps it, and what the guard said, in words.

Pure. `routes` writes the record; `explain` reads it years later beside the decision log.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ostiary.features.fragment import Block
from ostiary.features.waf import RESPONSE_THRESHOLD, Inspection
from ostiary.plan.match import path_match, path_matches

_UNSAID: Final = {
    "log",
    "budget",
    "exhausted",
    "body_limit",
    "response",
    "strangers",
    "buffer",
}
"""What no decision is explained by."""
_OF_REQUESTS: Final = (0, 1, 2)
"""Phases in which a request is judged; later ones judge the answer to it."""
_SHOWN: Final = 10
"""Rules that are shown by number."""


def recorded(block: Block | None) -> str:
    """Canonical JSON of what holds; empty when nothing does."""
    if not isinstance(block, Inspection):
        return ""
    tree = block.model_dump(mode="json", exclude=_UNSAID)
    tree["set"], tree["numbers"] = block.rule_set.name, block.numbers
    return json.dumps(tree, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Said:
    """What the guard said about one request (`ostiary.waf`, key `brief`)."""

    action: str
    """`blocked`, `flagged` or `passed`."""
    mode: str
    rules: tuple[int, ...]
    score: int
    by: int
    """The rule that stopped the request; 0 when none did."""
    message: str
    place: str
    """The part of the request that matched, `ARGS:comment`."""
    data: str
    """What matched there, secrets masked, cut short."""
    phase: int
    """1 and 2: head and body of the request; 3 and 4: those of the answer."""
    exhausted: bool
    uncertain: tuple[int, ...]


def said(text: str) -> Said | None:
    """What stands in the decision log; None when the guard said nothing, or nothing readable."""
    try:
        found: Any = json.loads(text) if text else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        return None
    return Said(
        str(found.get("action", "")),
        str(found.get("mode", "")),
        _numbers(found.get("rules")),
        _number(found.get("score")),
        _number(found.get("by")),
        str(found.get("message", "")),
        str(found.get("place", "")),
        str(found.get("data", "")),
        _number(found.get("phase")),
        found.get("exhausted") is True,
        _numbers(found.get("uncertain")),
    )


def looked_at(one: Said, record: str, path: str) -> Iterator[tuple[str, str]]:
    """Name and value of what the decision came from; `record` is what `recorded` wrote."""
    held: Mapping[str, Any] = json.loads(record) if record else {}
    if one.action == "flagged" and one.message:  # where it was stopped, the sentence says it
        yield "found", one.message
    if one.rules:
        yield "rules", _rules(one.rules)
    if one.place:
        told = f" = {one.data}" if one.data not in {"", one.place} else ""
        yield "matched", f"{one.place}{told}"
    if held:
        limit = held["threshold"]
        if one.phase not in _OF_REQUESTS:  # what was recorded before it could be written had 4
            limit = held.get("response_threshold", RESPONSE_THRESHOLD)
        yield "score", f"{one.score} of {limit}, at paranoia {held['paranoia']}"
    elif one.score:
        yield "score", str(one.score)
    if one.exhausted:
        yield "budget", "used up"
    if one.uncertain:
        yield "undecided rules", _rules(one.uncertain)
    yield from _demanded(one.rules, held)
    yield from _excluded(path, held)


def _demanded(rules: Sequence[int], held: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for word, pairs in held.get("numbers", {}).items():
        if any(low <= rule <= high for rule in rules for low, high in pairs):
            yield f"{word} demanded by", ", ".join(held["rules"].get(word, ()))


def _excluded(path: str, held: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for one in held.get("exclude", ()):
        patterns = [path_match(pattern) for pattern in one["paths"]]
        if patterns and not any(path_matches(pattern, path) for pattern in patterns):
            continue
        target = f" for {one['target']}" if one["target"] else ""
        until = f", until {one['until']}" if one["until"] else ""
        rules = f"{_rules(one['rules'])}{target} by {one['owner']}"
        yield "excluded", f"{rules}: {one['because']}{until}"


def _rules(numbers: Sequence[int]) -> str:
    more = len(numbers) - _SHOWN
    return ", ".join(map(str, numbers[:_SHOWN])) + (f" and {more} more" if more > 0 else "")


def _numbers(found: object) -> tuple[int, ...]:
    return tuple(map(_number, found)) if isinstance(found, list) else ()


def _number(found: object) -> int:
    return int(found) if isinstance(found, int | float) else 0
