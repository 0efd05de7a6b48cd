"""Rules in SecLang as `plan` sees them: which there are, and what is wrong with them.

Reading SecLang is the engine's work, and that is in the guard; `app` hands a `RuleBook` in. Fed by
the texts that a document names; feeds `waf`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple, Protocol

from ostiary.features.fragment import RuleSet
from ostiary.features.waf import CORE
from ostiary.language.tree import RuleText

_DIGITS: Final = 16
_CORE_ALONE: Final = RuleSet(CORE, core=True)


class RuleFault(NamedTuple):
    """What is wrong with a rule file, and where."""

    file: str
    line: int
    sentence: str


class Rule(NamedTuple):
    """One rule, as far as exclusions ask."""

    number: int
    file: str
    tags: tuple[str, ...] = ()


class Span(NamedTuple):
    """Numbers of rules of one file, with none of another file between them."""

    first: int
    last: int
    file: str


@dataclass(frozen=True, slots=True)
class Judged:
    """Rules that were read together: sound when there is no fault."""

    faults: tuple[RuleFault, ...] = ()
    files: Mapping[int, str] = field(default_factory=dict)
    """Number of a rule -> its file, in the order of the numbers."""
    tagged: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Tag -> numbers of the rules that have it, in their order."""
    spans: tuple[Span, ...] = ()
    """All numbers, in order."""

    @classmethod
    def sound(cls, rules: Iterable[Rule]) -> Judged:
        """`rules` without a fault."""
        files: dict[int, str] = {}
        tagged: dict[str, list[int]] = {}
        spans: list[Span] = []
        for rule in sorted(rules):
            files[rule.number] = rule.file
            for tag in rule.tags:
                tagged.setdefault(tag, []).append(rule.number)
            if spans and spans[-1].file == rule.file:
                spans[-1] = spans[-1]._replace(last=rule.number)
            else:
                spans.append(Span(rule.number, rule.number, rule.file))
        by_tag = {tag: tuple(dict.fromkeys(numbers)) for tag, numbers in tagged.items()}
        return cls((), files, by_tag, tuple(spans))


class RuleBook(Protocol):
    """Reads rules. Equal questions have equal answers, and are cheap to ask again."""

    def judge(self, texts: tuple[RuleText, ...], *, core: bool) -> Judged:
        """The rules of `texts` in their order, behind the core pack where `core`."""

    def target_trouble(self, target: str) -> str:
        """What is wrong with the part of a request called `target`; empty when it is sound."""


@lru_cache(maxsize=32)
def rule_set(texts: tuple[RuleText, ...], *, core: bool) -> RuleSet:
    """The rules of `texts` in their order, behind the core pack where `core`, for the guard.

    Remembered, for thousands of routes ask for the same few.
    """
    if not texts:
        return _CORE_ALONE
    tree = {
        "sources": [{"name": name, "text": text} for one in texts for name, text in one.sources],
        "data": {name: text for one in texts for name, text in one.data},
    }
    content = json.dumps(tree, sort_keys=True, separators=(",", ":")).encode()
    name = hashlib.sha256(b"core\0"[: 5 * core] + content).hexdigest()[:_DIGITS]
    # One level everywhere: the bytes are compared, by xDS and between replicas.
    return RuleSet(name, core, base64.b64encode(zlib.compress(content, 6)).decode())
