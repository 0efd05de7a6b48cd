"""A book of a few rules, for tests about levels: the engine's own is read in `tests/golden`."""

from __future__ import annotations

from ostiary.language.tree import RuleText
from ostiary.plan.rule_book import Judged, Rule, RuleFault

CORE = (
    Rule(10300, "core.conf", ("sqli",)),
    Rule(10301, "core.conf", ("sqli",)),
    Rule(10400, "core.conf", ("xss",)),
)


class Shelf:
    """Each line of a text is a rule, `942100 attack-sqli`; a line that is none is a fault."""

    def judge(self, texts: tuple[RuleText, ...], *, core: bool) -> Judged:
        rules = list(CORE if core else ())
        faults = []
        for file, text in (source for one in texts for source in one.sources):
            for line, words in enumerate(map(str.split, text.splitlines()), 1):
                if words and words[0].isdigit():
                    rules.append(Rule(int(words[0]), file, tuple(words[1:])))
                elif words:
                    faults.append(RuleFault(file, line, f"{words[0]} is no rule"))
        return Judged(faults=tuple(faults)) if faults else Judged.sound(rules)

    def target_trouble(self, target: str) -> str:
        return "" if target.isupper() or ":" in target else "not a variable"
