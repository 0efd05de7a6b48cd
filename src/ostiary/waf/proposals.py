"""The narrowest exclusions that shadow traffic argues for, and why others are not proposed.

A rule, one part of a request and the paths where it was seen: never a rule as a whole. What counts
for an exclusion are requests that the application answered, of several addresses; what counts
against it is an attack in the same log that it would let in. Fed by `traffic`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from ostiary.waf.traffic import Entry, Message

FAMILIES: Final = 3
"""Kinds of attack in one request, from which it counts as an attack and not as a text."""
MANY: Final = 8
"""Rules on one request, likewise."""
PATTERNS: Final = 5
"""Paths of one exclusion; more are joined."""
_POINTS: Final = {0: 5, 1: 5, 2: 5, 3: 4, 4: 3, 5: 2}
"""Severity -> what a match adds to the score, as CRS has it."""
_SIX_DIGITS: Final = 100_000
_REFUSED: Final = 400
_ELEMENT: Final = re.compile(r"\.array_\d+(?=\.|$)")
_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z._~-]*|[A-Za-z]{1,3}\d")
"""A segment of a path that a person named; others are ids, dates, words of users."""
_LONGEST_SEGMENT: Final = 32
_SAMPLE: Final = 60


@dataclass(frozen=True, slots=True)
class Least:
    """What an exclusion needs at least."""

    requests: int = 5
    clients: int = 2
    """Addresses: one alone may be an attacker, or one odd program."""
    threshold: int = 5
    """The score from which a request counts as one that would be stopped."""
    thresholds: Mapping[str, int] = field(default_factory=dict)
    """The same for routes that say another."""

    def stops(self, entry: Entry, score: int) -> bool:
        """Whether a request of that route would be stopped at `score`."""
        route = entry.route.partition("@")[0]
        return score >= self.thresholds.get(route, self.threshold)

    def stopped(self, entry: Entry) -> bool:
        """Whether it would be stopped: by its score, or by a rule that asks for no score."""
        return self.stops(entry, entry.score) or _denied(entry) is not None


class Subject(NamedTuple):
    """What an exclusion is about."""

    route: str
    rule: int
    target: str
    """`ARGS:comment`, or a pattern for elements of a list."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """An exclusion and the evidence for it."""

    subject: Subject
    message: str
    paths: tuple[str, ...]
    requests: int
    clients: int
    days: int
    sample: str
    """The form of what matched: letters are `a`, digits are `0`."""


@dataclass(frozen=True, slots=True)
class Declined:
    """What was seen and is not proposed."""

    subject: Subject
    message: str
    requests: int
    because: str


@dataclass
class Tuned:
    """What came of a log."""

    proposals: list[Proposal] = field(default_factory=list)
    declined: list[Declined] = field(default_factory=list)
    attacks: list[Entry] = field(default_factory=list)
    """Requests that count as attacks."""
    stopped: int = 0
    """Requests that would be stopped today."""
    left: int = 0
    """Those of them that would be stopped with every proposal in place."""


def tune(entries: Iterable[Entry], least: Least) -> Tuned:
    """Proposals for all routes in a log, the best founded first."""
    would = [one for one in entries if least.stopped(one) and _matches(one)]
    tuned = Tuned(stopped=len(would), attacks=[one for one in would if is_attack(one)])
    attackers = {one.client for one in tuned.attacks}
    seen: dict[Subject, list[Entry]] = defaultdict(list)
    for entry in would:
        for subject in dict.fromkeys(_subject(entry, one) for one in _matches(entry)):
            seen[subject].append(entry)
    kept: dict[Subject, list[Entry]] = {}
    for subject, found in seen.items():
        evidence = [one for one in found if one.code < _REFUSED and one.client not in attackers]
        because = _too_little(found, evidence, attackers, least)
        if because:
            tuned.declined.append(_declined(subject, found, because))
        else:
            kept[subject] = evidence
    for subject, because in _let_in(kept, tuned.attacks, least).items():
        tuned.declined.append(_declined(subject, kept.pop(subject), because))
    tuned.proposals = [_proposal(subject, evidence) for subject, evidence in kept.items()]
    tuned.proposals.sort(key=lambda one: (-one.requests, one.subject))
    tuned.declined.sort(key=lambda one: (-one.requests, one.subject))
    paths = {one.subject: one.paths for one in tuned.proposals}
    tuned.left = sum(_left(one, kept, least, paths) for one in would)
    return tuned


def is_attack(entry: Entry) -> bool:
    """Whether rules of so many kinds matched that no text of a person explains it."""
    rules = {one.rule for one in _matches(entry)}
    return len(rules) >= MANY or len(set(map(_family, rules))) >= FAMILIES


def _family(rule: int) -> int:
    """Kinds of attack have numbers of their own: 941xxx in CRS, 103xx in the core pack."""
    return rule // 1000 if rule >= _SIX_DIGITS else rule // 100


def _matches(entry: Entry) -> list[Message]:
    """What rules found in a request; sums of others are left out, for they are consequences."""
    return [one for one in entry.messages if one.place and not one.place.startswith("TX")]


def _subject(entry: Entry, one: Message) -> Subject:
    return Subject(entry.route.partition("@")[0], one.rule, _target(one.place))


def _target(place: str) -> str:
    """The part of a request; a list's elements are one part, whatever their number."""
    collection, colon, name = place.partition(":")
    if not colon or not _ELEMENT.search(name):
        return place
    pieces = [re.escape(piece).replace("/", r"\/") for piece in _ELEMENT.split(name)]
    return f"{collection}:/^" + r"\.array_\d+".join(pieces) + "$/"


def _too_little(
    found: Sequence[Entry], evidence: Sequence[Entry], attackers: set[str], least: Least
) -> str:
    """Why `evidence` does not carry an exclusion; empty when it does."""
    blocked = sum(one.action == "blocked" for one in found)
    refused = sum(one.code >= _REFUSED and one.action != "blocked" for one in found)
    hostile = sum(one.client in attackers for one in found)
    aside = []
    if hostile:
        aside.append(f"{hostile} came from addresses that also sent attacks")
    if refused:
        aside.append(f"{refused} were refused by the application")
    if blocked:
        aside.append(f"{blocked} were blocked; only shadow mode shows what the application says")
    but = f" ({'; '.join(aside)})" if aside else ""
    clients = len({one.client for one in evidence})
    if not evidence:
        return f"no request speaks for it{but}"
    if clients < least.clients:
        return f"it comes from {_count(clients, 'address', 'addresses')} only{but}"
    if len(evidence) < least.requests:
        return f"only {_count(len(evidence), 'request', 'requests')}, of {least.requests}{but}"
    return ""


def _let_in(
    kept: Mapping[Subject, Sequence[Entry]], attacks: Sequence[Entry], least: Least
) -> dict[Subject, str]:
    """Exclusions that would together let an attack of this log in, and which."""
    found: dict[Subject, str] = {}
    for attack in attacks:
        if not _left(attack, kept, least):
            sentence = f"it would let in the attack of line {attack.line}"
            named = {_subject(attack, one) for one in _matches(attack)}
            found |= {subject: sentence for subject in kept if subject in named - found.keys()}
    return found


def _denied(entry: Entry) -> Message | None:
    """What the rule found that stops by itself, and not because of a sum of others."""
    return next((one for one in _matches(entry) if one.rule == entry.by), None)


def _left(
    entry: Entry,
    kept: Collection[Subject],
    least: Least,
    paths: Mapping[Subject, Sequence[str]] | None = None,
) -> bool:
    """Whether it would be stopped all the same without what `kept` excludes."""
    denied = _denied(entry)
    if denied is not None and not _gone(entry, denied, kept, paths):
        return True
    return least.stops(entry, _score_left(entry, kept, paths))


def _gone(
    entry: Entry,
    one: Message,
    kept: Collection[Subject],
    paths: Mapping[Subject, Sequence[str]] | None,
) -> bool:
    subject = _subject(entry, one)
    return subject in kept and (paths is None or _covered(entry.path, paths[subject]))


def _score_left(
    entry: Entry, kept: Collection[Subject], paths: Mapping[Subject, Sequence[str]] | None = None
) -> int:
    """The score without the matches that `kept` excludes, on its `paths` or everywhere."""
    gone = 0
    for one in _matches(entry):
        if _gone(entry, one, kept, paths):
            gone += _POINTS.get(2 if one.severity is None else one.severity, 0)
    return entry.score - gone


def _covered(path: str, patterns: Sequence[str]) -> bool:
    return any(
        path == one or (one.endswith("/*") and f"{path}/".startswith(one[:-1])) for one in patterns
    )


def _declined(subject: Subject, found: Sequence[Entry], because: str) -> Declined:
    return Declined(subject, _first(subject, found).message, len(found), because)


def _proposal(subject: Subject, evidence: Sequence[Entry]) -> Proposal:
    first = _first(subject, evidence)
    return Proposal(
        subject,
        first.message,
        _paths([one.path for one in evidence]),
        requests=len(evidence),
        clients=len({one.client for one in evidence}),
        days=len({one.day for one in evidence}),
        sample=_form(first.data),
    )


def _first(subject: Subject, found: Sequence[Entry]) -> Message:
    matches = (one for entry in found for one in _matches(entry) if one.rule == subject.rule)
    return next(one for one in matches if _target(one.place) == subject.target)


def _paths(paths: Iterable[str]) -> tuple[str, ...]:
    """The narrowest patterns for `paths`: exact where a person named every segment."""
    patterns = dict.fromkeys(map(_pattern, paths))
    wide = [one[:-1] for one in patterns if one.endswith("/*")]
    left = [
        one
        for one in patterns
        if not any(f"{one.removesuffix('*')}/".startswith(w) and f"{w}*" != one for w in wide)
    ]
    if len(left) > PATTERNS:
        return (_joined(left),)
    return tuple(sorted(left))


def _pattern(path: str) -> str:
    segments = path.split("/")[1:]
    for at, segment in enumerate(segments):
        named = _PLAIN.fullmatch(segment) and len(segment) <= _LONGEST_SEGMENT
        if not named and not (segment == "" and at == len(segments) - 1):
            return "/" + "/".join([*segments[:at], "*"])
    return path or "/"


def _joined(patterns: Sequence[str]) -> str:
    """The longest path that all have in common, and everything below it."""
    split = [one.removesuffix("/*").split("/")[1:] for one in patterns]
    shared: list[str] = []
    for column in zip(*split, strict=False):
        if len(set(column)) > 1:
            break
        shared.append(column[0])
    return "/" + "/".join([*shared, "*"])


def _form(data: str) -> str:
    masked = "".join(
        "a" if one.isalpha() else "0" if one.isdigit() else one if one.isprintable() else "?"
        for one in data[:_SAMPLE]
    )
    return masked + ("..." if len(data) > _SAMPLE else "")


def _count(number: int, one: str, more: str) -> str:
    return f"{number} {one if number == 1 else more}"
