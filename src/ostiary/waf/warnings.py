"""What is doubtful in rules that the engine takes: rules that never run, exclusions of nothing.

Fed with the texts and with what the engine says of each rule; feeds `ostiary waf lint`. What the
engine refuses is its own to tell. Only doubts that hold for every request are told here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ostiary.waf.rule_text import Directive, directives

_ID: Final = re.compile(r"(?:^|,)\s*id:\s*'?(\d+)")
_PHASE: Final = re.compile(r"(?:^|,)\s*phase:\s*'?(\w+)")
_SKIP: Final = re.compile(r"(?:^|,)\s*skipAfter:\s*'?([^,']+)")
_STOPS: Final = re.compile(r"(?:^|,)\s*(?:deny|drop|redirect:[^,]*)\s*(?=,|$)")
_CONTROL: Final = re.compile(r"ctl:ruleRemove(?:Target)?ById=(\d+)(?:-(\d+))?", re.IGNORECASE)
_NAMES: Final = {"request": "2", "response": "4", "logging": "5"}
_BY_ID: Final = frozenset(
    {"secruleremovebyid", "secruleupdatetargetbyid", "secruleupdateactionbyid"}
)
_BY_TEXT: Final = frozenset(
    {
        "secruleremovebytag",
        "secruleremovebymsg",
        "secruleupdatetargetbytag",
        "secruleupdatetargetbymsg",
    }
)
_TAG: Final = re.compile(r"(?:^|,)\s*tag:\s*'?([^,']+)")
_MESSAGE: Final = re.compile(r"(?:^|,)\s*msg:\s*'?((?:[^'\\]|\\.)*)")


@dataclass(frozen=True, slots=True, order=True)
class Found:
    """A sentence about a line of a rule file."""

    file: str
    line: int
    sentence: str


@dataclass(frozen=True, slots=True)
class _At:
    """A directive and its file."""

    file: str
    one: Directive

    def found(self, sentence: str) -> Found:
        return Found(self.file, self.one.line, sentence)

    @property
    def actions(self) -> str:
        return self.one.words[-1] if self.one.is_rule and len(self.one.words) > 1 else ""

    @property
    def number(self) -> int | None:
        found = _ID.search(self.actions)
        return int(found[1]) if found else None

    @property
    def phase(self) -> str:
        found = _PHASE.search(self.actions)
        return _NAMES.get(found[1], found[1]) if found else "2"


def duplicates(sources: Sequence[tuple[str, str]]) -> Iterator[Found]:
    """Every rule whose number an earlier rule has; the engine stops at the first."""
    known: dict[int, _At] = {}
    for at in _all(sources):
        number = at.number
        if number is None:
            continue
        first = known.setdefault(number, at)
        if first is not at:
            place = (first.file, first.one.line)
            other = f"also at {first.file}:{first.one.line}"
            again = "its file is read twice, by its folder or an Include"
            why = again if place == (at.file, at.one.line) else other
            yield at.found(f"rule {number} is there twice: {why}")


def doubts(
    sources: Sequence[tuple[str, str]], rules: Sequence[Mapping[str, Any]]
) -> Iterator[Found]:
    """All doubts about `sources`; `rules` are those that the engine made of them."""
    known = list(_all(sources))
    for rule in rules:
        if rule["backtracks"]:
            sentence = f"the pattern of rule {rule['id']} needs backtracking and runs with a bound"
            hint = "; take look-around and back-references out to run it in linear time"
            yield Found(rule["file"], rule["line"], sentence + hint)
    yield from _taken_out(known, rules)
    yield from _skipped(known)
    yield from _for_nothing(known)
    yield from _too_late(known)


def _all(sources: Sequence[tuple[str, str]]) -> Iterator[_At]:
    for file, text in sources:
        for one in directives(text):
            yield _At(file, one)


def _taken_out(known: Sequence[_At], rules: Sequence[Mapping[str, Any]]) -> Iterator[Found]:
    """Rules that are written and that the engine no longer has."""
    left = {rule["id"] for rule in rules}
    for at in known:
        number = at.number
        if number is not None and number not in left:
            sentence = f"rule {number} never runs: a SecRuleRemove directive takes it out"
            yield at.found(sentence)


def _skipped(known: Sequence[_At]) -> Iterator[Found]:
    """Rules behind what always jumps over them, or always ends their phase."""
    markers = {at.one.words[1] for at in known if _marks(at)}
    jumps: dict[str, tuple[str, _At]] = {}
    ended: dict[str, _At] = {}
    for at in known:
        if _marks(at):
            jumps = {k: v for k, v in jumps.items() if v[0] != at.one.words[1]}
        if not at.one.is_rule or at.number is None:
            continue
        phase = at.phase
        why = jumps[phase][1] if phase in jumps else ended.get(phase)
        if why is not None:
            place = f"{why.file}:{why.one.line}"
            yield at.found(f"rule {at.number} never runs: rule {why.number} ({place}) is before it")
            continue
        skip = _SKIP.search(at.actions)
        if skip and skip[1].strip() not in markers:
            sentence = f"rule {at.number} skips to {skip[1].strip()}, and there is no such marker"
            yield at.found(sentence + "; all that follows in its phase is skipped")
        if not _always(at):
            continue
        if skip:
            jumps[phase] = (skip[1].strip(), at)
        elif _STOPS.search(at.actions):
            ended[phase] = at


def _marks(at: _At) -> bool:
    return at.one.name == "secmarker" and len(at.one.words) > 1


def _always(at: _At) -> bool:
    return at.one.name == "secaction" and "chain" not in at.actions


def _for_nothing(known: Sequence[_At]) -> Iterator[Found]:
    """Exclusions of rules that are not written anywhere."""
    numbers = {number for at in known if (number := at.number) is not None}
    for at in known:
        words = at.one.words[1:]
        if at.one.name in _BY_ID:
            meant = words if at.one.name == "secruleremovebyid" else words[:1]
            for word in (part for one in meant for part in re.split(r"[\s,]+", one) if part):
                if not _is_there(word.partition(":")[0], numbers):
                    yield at.found(f"{at.one.words[0]} {word}: there is no such rule")
        elif words and at.one.name in _BY_TEXT:
            part = _TAG if "tag" in at.one.name else _MESSAGE
            texts = (text for one in known for text in part.findall(one.actions))
            if not any(_matches(words[0], text) for text in texts):
                yield at.found(f"{at.one.words[0]} {words[0]}: no rule matches")
        for low, high in _CONTROL.findall(at.actions):
            if not _is_there(f"{low}-{high}" if high else low, numbers):
                who = f"rule {at.number}" if at.number else "a chain"
                yield at.found(f"{who} excludes rule {low}, which is not there")


def _too_late(known: Sequence[_At]) -> Iterator[Found]:
    """Exclusions by rules that run after all that they exclude."""
    turns = {at.number: (at.phase, turn) for turn, at in enumerate(known) if at.number is not None}
    for turn, at in enumerate(known):
        if at.number is None:
            continue
        for low, high in _CONTROL.findall(at.actions):
            meant = [turns[one] for one in turns if int(low) <= one <= int(high or low)]
            if meant and all(one < (at.phase, turn) for one in meant):
                which = f"rules {low}-{high}" if high else f"rule {low}"
                sentence = f"rule {at.number} excludes {which}, which {'have' if high else 'has'}"
                hint = "run by then: name its file before theirs"
                yield at.found(f"{sentence} {hint}")


def _is_there(word: str, numbers: set[int]) -> bool:
    low, _, high = word.partition("-")
    if not low.isdigit() or (high and not high.isdigit()):
        return True  # the engine says what is wrong with it
    return any(int(low) <= number <= int(high or low) for number in numbers)


def _matches(pattern: str, text: str) -> bool:
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return True
