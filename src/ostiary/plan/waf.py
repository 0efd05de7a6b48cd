"""`waf` of one route: levels joined, rules read, exclusions weighed.

A level may only add: rules of all levels hold together, and what loosens stands in the block that
demands the rules, or is handed down by it (`children_may`). Fed by `routes`; the arithmetic of
levels is in `merge`, that of exclusions in `exclusions`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, NamedTuple, TypeAlias

from ostiary.errors import ConfigError
from ostiary.features.fragment import Bounds, RuleSet
from ostiary.features.waf import CORE, CRS, Excluded, GatewayWaf, Inspection, Waf
from ostiary.language.document import Noun
from ostiary.language.tree import RuleText
from ostiary.language.units import seconds, size
from ostiary.language.written import Levelled
from ostiary.plan.exclusions import Demand, Weighed, weigh
from ostiary.plan.levels import needs_guard
from ostiary.plan.merge import Looser, Merged, Written, merge
from ostiary.plan.model import PathMatch
from ostiary.plan.rule_book import Judged, RuleBook, rule_set

_DEMANDED: Final = ("mode", "threshold", "response_threshold", "exhausted")
"""What a block that demands rules says even where it is silent: its defaults."""
_Levels: TypeAlias = Sequence[tuple[Noun[Levelled], Waf]]


class Reading(NamedTuple):
    """What rules are read with."""

    book: RuleBook | None
    """None: there is no guard, and so no engine."""
    today: date
    """UTC."""


NO_READING: Final = Reading(None, date.min)


@dataclass(frozen=True)
class Made:
    """What the blocks of some levels come to."""

    block: Inspection | None = None
    """None: nothing is looked into."""
    origins: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[ConfigError, ...] = ()
    over: tuple[ConfigError, ...] = ()
    """Exclusions whose last day is gone: refused in a document that is saved, told of in one that
    is served."""
    warnings: tuple[str, ...] = ()
    dated: bool = False
    """Whether another day may give something else."""


NOTHING: Final = Made()


def inspection(
    nouns: Sequence[Noun[Levelled]], reading: Reading, paths: Sequence[PathMatch] | None = None
) -> Made:
    """The `waf` blocks of `nouns`, uppermost first. `paths` are those of the last, if a route's."""
    written = [(noun, noun.value.waf) for noun in nouns if noun.value.waf is not None]
    if written and reading.book is None:
        return Made(faults=tuple(needs_guard(noun, "waf", "waf") for noun, _ in written))
    levels = [(noun, demands) for noun, each in written if (demands := _demands_of(each))]
    if not levels or reading.book is None:
        return NOTHING
    shared = next((each for _, each in written if isinstance(each, GatewayWaf)), GatewayWaf())
    levels = [(noun, _demanding(block, top=not at)) for at, (noun, block) in enumerate(levels)]
    merged = merge(Waf, [Written(str(noun), block) for noun, block in _handed_down(levels)])
    block = merged.block
    faults = [*_loosened(levels, merged.looser), *_rules_below(levels)]
    faults += _too_long(levels, merged, shared)
    texts = tuple(text for word in block.rules if (text := _text(levels, word)) is not None)
    faults += _unread(levels)
    judged = reading.book.judge(texts, core=CORE in block.rules)
    faults += _rule_faults(levels, judged)
    weighed = Weighed()
    if not faults and any(each.exclude for _, each in levels):
        weighed = weigh(_demand(levels, judged), reading.book, reading.today, paths)
    made = None
    if block.mode != "off" and not faults and not weighed.faults:
        carried = rule_set(texts, core=CORE in block.rules)
        made = _held(levels, block, judged, carried, excluded=weighed.excluded, shared=shared)
    return Made(
        made,
        {**_origins(merged, weighed.excluded), **_shared_origins(written)},
        (*faults, *weighed.faults),
        tuple(weighed.over),
        tuple(weighed.warnings),
        any(one.until for _, each in levels for one in each.exclude),
    )


def _held(
    levels: _Levels,
    block: Waf,
    judged: Judged,
    carried: RuleSet,
    *,
    excluded: list[Excluded],
    shared: GatewayWaf,
) -> Inspection:
    return Inspection(
        rules=_demanders(levels, block),
        numbers=_numbers(levels, judged),
        rule_set=carried,
        paranoia=block.paranoia,
        mode="shadow" if block.mode == "shadow" else "block",
        threshold=block.threshold,
        response_threshold=block.response_threshold,
        body_limit=size(block.body_limit),
        response=block.response == "on",
        budget=None if block.budget == "auto" else block.budget,
        exhausted=block.exhausted,
        exclude=excluded,
        log=block.log,
        strangers=shared.strangers,
        buffer=size(shared.buffer),
        bounds=_bounds(shared),
    )


def _demands_of(block: Waf) -> Waf | None:
    return block.demands if isinstance(block, GatewayWaf) else block


def _bounds(shared: GatewayWaf) -> Bounds:
    budget, burst = shared.strangers.budget, shared.strangers.burst
    return Bounds(_micros(budget), _micros(burst), size(shared.buffer))


def _micros(text: str) -> int:
    return round(seconds(text) * 1_000_000)


def _demanding(block: Waf, *, top: bool) -> Waf:
    """The block with what it demands written out: a default is no invitation to loosen it."""
    written = block.model_fields_set
    names = (*_DEMANDED, "rules") if top else _DEMANDED if "rules" in written else ()
    return block.model_copy(update={name: getattr(block, name) for name in names})


def _handed_down(levels: _Levels) -> Iterator[tuple[Noun[Levelled], Waf]]:
    """Levels that let others shadow their rules say nothing of a mode where one does."""
    for at, (noun, block) in enumerate(levels):
        below = [lower for _, lower in levels[at + 1 :] if "mode" in lower.model_fields_set]
        shadowed = any(lower.mode == "shadow" for lower in below)
        if shadowed and "shadow" in block.children_may and block.mode == "block":
            silent = block.model_fields_set - {"mode"}
            yield noun, Waf.model_construct(_fields_set=silent, **dict(block))
        else:
            yield noun, block


def _loosened(levels: _Levels, looser: Sequence[Looser]) -> Iterator[ConfigError]:
    for one in looser:
        noun = next(noun for noun, _ in levels if str(noun) == one.owner)
        shadow = one.path == ("mode",) and "shadow" in one.sentence
        yield ConfigError(
            "plan.loosened",
            f"{noun}: `waf.{'.'.join(one.path)}` loosens a level above it: {one.sentence}",
            noun.at("waf", *one.path),
            "take this away, or write `children_may: [shadow]` on the level above"
            if shadow
            else "a lower level may only be stricter; change the level above, or take this away",
        )


def _too_long(levels: _Levels, merged: Merged[Waf], shared: GatewayWaf) -> Iterator[ConfigError]:
    """A body that is longer than all that may be held at once would never pass."""
    longest = merged.block.body_limit
    if size(longest) > size(shared.buffer):
        owner = merged.origins.get(("body_limit",), "")
        noun = next((noun for noun, _ in levels if str(noun) == owner), levels[0][0])
        yield ConfigError(
            "plan.waf-buffer",
            f"{noun}: a body of {longest} is more than the {shared.buffer} of `waf.buffer`",
            noun.at("waf", "body_limit"),
            "write a larger `waf.buffer` on the gateway, or a smaller `body_limit` here",
        )


def _rules_below(levels: _Levels) -> Iterator[ConfigError]:
    """Rules of one's own can take any rule away, so they are an exclusion of everything above."""
    for at, (noun, block) in enumerate(levels):
        if "rules" not in block.model_fields_set:
            continue
        for index, word in enumerate(block.rules):
            above = next(
                (
                    upper
                    for upper, each in levels[:at]
                    if "exclude" not in each.children_may and word not in each.rules
                ),
                None,
            )
            if above is not None and word not in {CORE, CRS}:
                yield ConfigError(
                    "plan.loosened",
                    f"{noun}: rules of its own could take rules away that {above} demands",
                    noun.at("waf", "rules", index),
                    f"name them on {above}, or write `children_may: [exclude]` there",
                )


def _text(levels: _Levels, word: str) -> RuleText | None:
    return next((noun.tree.rules[word] for noun, _ in levels if word in noun.tree.rules), None)


def _unread(levels: _Levels) -> Iterator[ConfigError]:
    """Words whose rules nobody has read: a source that knows no files."""
    for noun, block in levels:
        for index, word in enumerate(block.rules):
            if word != CORE and word not in noun.tree.rules:
                yield ConfigError(
                    "rules.missing",
                    f'{noun}: there are no rules called "{word}"',
                    noun.at("waf", "rules", index),
                    "write core, crs, or a folder or file of rules",
                )


def _words(levels: _Levels) -> Mapping[str, str]:
    """File name -> the word that brings it."""
    return {
        name: word
        for noun, block in levels
        for word in block.rules
        if word in noun.tree.rules
        for name, _ in noun.tree.rules[word].sources
    }


def _demand(levels: _Levels, judged: Judged) -> Demand:
    words = _words(levels)
    by = {
        word: frozenset(at for at, (_, block) in enumerate(levels) if _demands(block, word))
        for word in {CORE, *words.values()}
    }
    return Demand(levels, judged, words, by)


def _demands(block: Waf, word: str) -> bool:
    return "rules" in block.model_fields_set and word in block.rules


def _demanders(levels: _Levels, block: Waf) -> dict[str, list[str]]:
    return {
        word: [str(noun) for noun, each in levels if _demands(each, word)] for word in block.rules
    }


def _numbers(levels: _Levels, judged: Judged) -> dict[str, list[tuple[int, int]]]:
    """From and to, as few pairs as the numbers of others allow."""
    words = _words(levels)
    found: dict[str, list[tuple[int, int]]] = {}
    before = ""
    for first, last, file in judged.spans:
        word = words.get(file, CORE)
        pairs = found.setdefault(word, [])
        begun = pairs.pop()[0] if word == before else first
        pairs.append((begun, last))
        before = word
    return found


def _rule_faults(levels: _Levels, judged: Judged) -> Iterator[ConfigError]:
    words = _words(levels)
    for fault in judged.faults:
        word = words.get(fault.file, CORE)
        noun, block = next((one for one in levels if _demands(one[1], word)), levels[0])
        index = block.rules.index(word) if word in block.rules else 0
        yield ConfigError(
            "rules.broken",
            f"{noun}: {fault.file}:{fault.line}: {fault.sentence}",
            noun.at("waf", "rules", index),
            "mend the rule; until then the last accepted rules go on",
        )


def _shared_origins(written: Sequence[tuple[Noun[Levelled], Waf]]) -> Mapping[str, str]:
    return {
        f"waf.{name}": str(noun)
        for noun, block in written
        if isinstance(block, GatewayWaf)
        for name in ("strangers", "buffer")
        if name in block.model_fields_set
    }


def _origins(merged: Merged[Waf], excluded: Sequence[Excluded]) -> Mapping[str, str]:
    found = {f"waf.{'.'.join(path)}": owner for path, owner in merged.origins.items()}
    found.pop("waf.exclude", None)
    found.pop("waf.children_may", None)
    return {**found, **{f"waf.exclude[{at}]": one.owner for at, one in enumerate(excluded)}}
