"""Rules read by the engine itself, so that a document is refused where Envoy would refuse it.

Fed by the wheel of the guard, where that is installed; feeds `plan`.
"""

from __future__ import annotations

from collections import OrderedDict
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

from ostiary.language.tree import RuleText
from ostiary.plan.rule_book import Judged, Rule, RuleBook, RuleFault
from ostiary.proxy.guard import installed

_ENGINE: Final = "ostiary_guard.waf"
_REMEMBERED: Final = 32
"""Rule sets whose judgement is kept: reading CRS takes a good part of a second."""
_Question = tuple[bool, tuple[RuleText, ...]]


def rule_book() -> RuleBook | None:
    """The engine's; None without the wheel, or with one of before there was an engine."""
    return EngineRules() if installed() and find_spec(_ENGINE) is not None else None


class EngineRules:
    """Judges rules with the engine that runs them."""

    def __init__(self) -> None:
        self._engine: Any = None
        """Imported when a document first has rules."""
        self._judged: OrderedDict[_Question, Judged] = OrderedDict()

    def judge(self, texts: tuple[RuleText, ...], *, core: bool) -> Judged:
        """The rules of `texts` in their order, behind the core pack where `core`."""
        question = core, texts
        known = self._judged.get(question)
        if known is None:
            known = self._judged[question] = self._read(question)
            while len(self._judged) > _REMEMBERED:
                self._judged.popitem(last=False)
        self._judged.move_to_end(question)
        return known

    def target_trouble(self, target: str) -> str:
        """What is wrong with the part of a request called `target`; empty when it is sound."""
        return str(self._waf().target_fault(target))

    def _waf(self) -> Any:
        if self._engine is None:
            self._engine = import_module(_ENGINE)
        return self._engine

    def _read(self, question: _Question) -> Judged:
        core, texts = question
        waf = self._waf()
        sources = [source for text in texts for source in text.sources]
        data = dict(pair for text in texts for pair in text.data)
        try:
            rules = waf.RuleSet(sources, data, core).rules
        except waf.RuleFaults as found:
            return Judged(faults=tuple(RuleFault(*fault) for fault in found.faults))
        return Judged.sound(Rule(one["id"], one["file"], tuple(one["tags"])) for one in rules)
