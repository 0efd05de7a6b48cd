"""Which rules of `waf` do not hold where, and whether the level that says so may say it.

An exclusion reaches the rules that its own level demands, and those of a level above that hands it
down. What a level below demands again stays: nobody above takes that away. Fed by `waf`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

from ostiary.errors import ConfigError, Place
from ostiary.features.waf import CORE, Excluded, Exclusion, Waf
from ostiary.language.document import Noun
from ostiary.language.nearest import did_you_mean
from ostiary.language.patterns import path_trouble
from ostiary.language.written import Levelled
from ostiary.plan.match import path_match, path_matches
from ostiary.plan.model import PathKind, PathMatch
from ostiary.plan.rule_book import Judged, RuleBook

_SOON: Final = timedelta(days=14)
"""Before the last day of an exclusion it is told."""
_TAG: Final = "tag:"
_SHOWN: Final = 3


@dataclass(frozen=True)
class Demand:
    """The rules of some levels, and who demands them."""

    levels: Sequence[tuple[Noun[Levelled], Waf]]
    """Uppermost first."""
    judged: Judged
    words: Mapping[str, str]
    """File -> the word under `rules` that brings it; the core pack's is not here."""
    by: Mapping[str, frozenset[int]]
    """Word -> places in `levels` of those that demand it."""

    def demanders(self, number: int) -> frozenset[int]:
        """Places in `levels` of those that demand the rule; none: there is no such rule."""
        file = self.judged.files.get(number)
        return frozenset() if file is None else self.by[self.words.get(file, CORE)]


@dataclass
class Weighed:
    """What holds of all exclusions, and what is to be said about them."""

    excluded: list[Excluded] = field(default_factory=list)
    faults: list[ConfigError] = field(default_factory=list)
    over: list[ConfigError] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def weigh(
    demand: Demand, book: RuleBook, today: date, paths: Sequence[PathMatch] | None
) -> Weighed:
    """Every exclusion of every level. `paths` are those of the last level, if it is a route."""
    weighed = Weighed()
    last = len(demand.levels) - 1
    for level, (noun, block) in enumerate(demand.levels):
        for index, one in enumerate(block.exclude):
            mine = paths if level == last and noun.kind == "route" else None
            written = _Written(noun, index, one, level)
            weighed.faults += _where_faults(written, book, mine)
            _weigh(written, demand, today, weighed)
    return weighed


@dataclass(frozen=True)
class _Written:
    """An exclusion where it stands."""

    noun: Noun[Levelled]
    index: int
    one: Exclusion
    level: int

    def at(self, *steps: str | int) -> Place:
        return self.noun.at("waf", "exclude", self.index, *steps)

    def fault(self, code: str, sentence: str, hint: str, *steps: str | int) -> ConfigError:
        return ConfigError(code, f"{self.noun}: {sentence}", self.at(*steps), hint)

    @property
    def what(self) -> str:
        """`rule 942100`, for sentences."""
        words = [str(word) for word in self.one.rule]
        return f"{'rule' if len(words) == 1 else 'rules'} {_some(words)}"


def _weigh(written: _Written, demand: Demand, today: date, weighed: Weighed) -> None:
    one = written.one
    if one.over(today):
        sentence = f"the exclusion of {written.what} was over on {one.until}"
        hint = "take it away; if it is still needed, write a new day and a new `because`"
        weighed.over.append(written.fault("plan.waf-over", sentence, hint, "until"))
        return
    found, faults = _found(written, demand)
    weighed.faults += faults
    foreign = {n: owner for n in found if (owner := _not_handed_down(n, written, demand))}
    if foreign:
        weighed.faults.append(_loosened(written, foreign))
        return
    kept = [n for n in found if any(level > written.level for level in demand.demanders(n))]
    if kept:
        weighed.warnings.append(_again(written, kept, demand))
    if one.until is not None and date.fromisoformat(one.until) - today <= _SOON:
        weighed.warnings.append(
            f"{written.at('until')}: {written.noun}: the exclusion of {written.what} ends after "
            f"{one.until}; from then on the rule holds again"
        )
    held = [n for n in found if n not in kept]
    if held:
        weighed.excluded.append(_excluded(written, held))


def _excluded(written: _Written, rules: list[int]) -> Excluded:
    where = written.one.where
    return Excluded(
        rules=rules,
        target=where.target if where else None,
        paths=list(where.paths or ()) if where else [],
        because=written.one.because,
        until=written.one.until,
        owner=str(written.noun),
    )


def _found(written: _Written, demand: Demand) -> tuple[list[int], list[ConfigError]]:
    """The numbers of the rules it means: rules of its own level and of those above."""
    found: dict[int, None] = {}
    faults: list[ConfigError] = []
    for position, word in enumerate(written.one.rule):
        tagged = demand.judged.tagged.get(str(word).removeprefix(_TAG), ())
        meant = [
            n
            for n in ((word,) if isinstance(word, int) else tagged)
            if _reaches(n, written, demand)
        ]
        found.update(dict.fromkeys(meant))
        if not meant:
            faults.append(_no_rule(written, position, word, demand))
    return sorted(found), faults


def _reaches(number: int, written: _Written, demand: Demand) -> bool:
    return any(level <= written.level for level in demand.demanders(number))


def _no_rule(written: _Written, position: int, word: int | str, demand: Demand) -> ConfigError:
    reach = {n for n in demand.judged.files if _reaches(n, written, demand)}
    if isinstance(word, int):
        sentence = f"no rule has the number {word}"
        hint = did_you_mean(str(word), map(str, reach), "rules")
    else:
        sentence = f'no rule has the tag "{word.removeprefix(_TAG)}"'
        tagged = demand.judged.tagged.items()
        tags = [f"{_TAG}{tag}" for tag, numbers in tagged if reach.intersection(numbers)]
        hint = did_you_mean(word, tags, "tags")
    sentence += f" among those that {written.noun} or a level above demands"
    return written.fault("plan.waf-rule", sentence, hint, "rule", position)


def _not_handed_down(number: int, written: _Written, demand: Demand) -> str:
    """The level above that demands the rule and does not hand exclusions down, or nothing."""
    for level in sorted(demand.demanders(number)):
        noun, block = demand.levels[level]
        if level < written.level and "exclude" not in block.children_may:
            return str(noun)
    return ""


def _loosened(written: _Written, foreign: Mapping[int, str]) -> ConfigError:
    owner = next(iter(foreign.values()))
    rules = [str(number) for number, by in foreign.items() if by == owner]
    word = "rule" if len(rules) == 1 else "rules"
    return written.fault(
        "plan.loosened",
        f"`waf.exclude` takes away {word} {_some(rules)}, as {owner} demands",
        f"write the exclusion on {owner}, or write `children_may: [exclude]` there",
        "rule",
    )


def _again(written: _Written, kept: Sequence[int], demand: Demand) -> str:
    lower = max(level for level in demand.demanders(kept[0]))
    noun = demand.levels[lower][0]
    return (
        f"{written.at('rule')}: {written.noun}: the exclusion of {written.what} does not reach "
        f"{noun}, which demands the same rules itself; repeat it there"
    )


def _where_faults(
    written: _Written, book: RuleBook, paths: Sequence[PathMatch] | None
) -> Iterator[ConfigError]:
    where = written.one.where
    if where is None:
        return
    for position, path in enumerate(where.paths or ()):
        steps = ("where", "paths", position)
        trouble = path_trouble(path)
        if trouble is not None:
            yield written.fault(trouble.code, trouble.sentence, trouble.hint, *steps)
        elif paths is not None and not any(_meet(path_match(path), one) for one in paths):
            shown = ", ".join(_spelt(one) for one in paths)
            sentence = f"an exclusion for {path} can never hold on a route for {shown}"
            yield written.fault("plan.waf-path", sentence, "write a path of this route", *steps)
    if where.target is not None:
        said = book.target_trouble(where.target)
        if said:
            hint = "write a part of the request as rules name it, such as ARGS:comment"
            # The engine's own hint is for those who write no document.
            sentence = said.partition("; ")[0]
            yield written.fault("plan.waf-target", sentence, hint, "where", "target")


def _meet(one: PathMatch, other: PathMatch) -> bool:
    """Whether some path has both patterns."""
    if PathKind.EXACT in {one.kind, other.kind}:
        exact, pattern = (one, other) if one.kind is PathKind.EXACT else (other, one)
        return path_matches(pattern, exact.value)
    return path_matches(one, other.value) or path_matches(other, one.value)


def _spelt(path: PathMatch) -> str:
    return f"{path.value}/*" if path.kind is PathKind.PREFIX else path.value


def _some(words: Sequence[str]) -> str:
    more = len(words) - _SHOWN
    return ", ".join(words[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
