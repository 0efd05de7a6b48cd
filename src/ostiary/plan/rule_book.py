"""Rules in SecLang as `plan` sees them: which there are, and what is wrong with them.

Reading SecLang is the engine's work, and that is in the guard; `app` hands a `RuleBook` in. Fed by
the texts that a document names; feeds `waf`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
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
    """One rule, as far as exclusions and explanations ask."""

    number: int
    file: str
    tags: tuple[str, ...]
    message: str


@dataclass(frozen=True, slots=True)
class Judged:
    """Rules that were read together: sound when there is no fault."""

    rules: tuple[Rule, ...] = ()
    faults: tuple[RuleFault, ...] = ()


class RuleBook(Protocol):
    """Reads rules. Equal questions have equal answers, and are cheap to ask again."""

    def judge(self, texts: Sequence[RuleText], *, core: bool) -> Judged:
        """The rules of `texts` in their order, behind the core pack where `core`."""

    def target_trouble(self, target: str) -> str:
        """What is wrong with the part of a request called `target`; empty when it is sound."""


def rule_set(texts: Sequence[RuleText], *, core: bool) -> RuleSet:
    """The rules of `texts` in their order, behind the core pack where `core`, for the guard."""
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
