"""`ostiary waf explain`: what a rule says, or which rules decided about a request."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

from ostiary.app import waf_rules
from ostiary.cli import terminal
from ostiary.cli.options import STATE, AsJson, State
from ostiary.cli.waf.options import RuleWords
from ostiary.errors import Refused
from ostiary.features.waf import CORE, CRS
from ostiary.sources.rule_files import crs_places
from ostiary.waf.rule_text import Written, written

_NUMBER: Final = re.compile(r"\d{1,9}")
_PHASES: Final = (
    "",
    "the head of the request",
    "the body of the request",
    "the head of the answer",
    "the body of the answer",
    "the end",
)


def explain(
    what: str, /, *, rules: RuleWords = None, state: State = STATE, as_json: AsJson = False
) -> None:
    """Say what a rule says, or which rules decided about a request.

    Without --rules a number is looked for in the core pack and in the installed Core Rule Set.

    Parameters
    ----------
    what
        The number of a rule, or a decision id (a running control plane is asked, as by
        `ostiary explain`).
    """
    if not _NUMBER.fullmatch(what):
        from ostiary.cli.explain import explain as decision  # noqa: PLC0415  needs the network

        decision(what, state=state, as_json=as_json)
        return
    told = _rule(int(what), rules)
    if as_json:
        terminal.say(json.dumps(told, indent=2))
    else:
        show(told)


def _rule(number: int, rules: list[str] | None) -> dict[str, Any]:
    for words in [rules] if rules else _packs():
        files = waf_rules.read(words, Path())
        waf = waf_rules.engine()
        try:
            known = waf_rules.rule_set(files).rules
        except waf.RuleFaults:
            waf_rules.plan(files)  # says which fault, in our words
            raise
        found = next((one for one in known if one["id"] == number), None)
        if found is not None:
            text = files.text(found["file"], found["line"])
            return _told(found, written(text, found["line"]))
    raise Refused(
        "rule-unknown",
        f"there is no rule {number}",
        "say with --rules where it stands: core, crs, a folder or a file",
    )


def _packs() -> list[list[str]]:
    """The packs of this machine; their numbers differ."""
    installed = any((place / "rules").is_dir() for place in crs_places())
    return [[CORE], [CRS]] if installed else [[CORE]]


def _told(rule: dict[str, Any], found: Written | None) -> dict[str, Any]:
    links = found.links if found else ()
    return {
        **{key: rule[key] for key in ("id", "message", "file", "line", "phase", "paranoia")},
        "severity": rule["severity"],
        "tags": list(rule["tags"]),
        "backtracks": rule["backtracks"],
        "conditions": [
            {
                "looks_at": list(link.targets),
                "operator": link.operator,
                "transforms": list(link.transforms),
            }
            for link in links
        ],
        "text": found.text if found else "",
    }


def show(told: dict[str, Any]) -> None:
    """The rule as text."""
    terminal.say(f"rule {told['id']}  {told['message']}", "bold")
    terminal.field("written at", f"{told['file']}:{told['line']}")
    terminal.field("runs at", f"{_PHASES[told['phase']]} (phase {told['phase']})")
    terminal.field("paranoia", str(told["paranoia"]) if told["paranoia"] else "every level")
    terminal.field("severity", "" if told["severity"] is None else str(told["severity"]))
    for number, one in enumerate(told["conditions"]):
        terminal.field("and" if number else "holds when", one["operator"] or "always")
        terminal.field("in", ", ".join(one["looks_at"]))
        terminal.field("decoded by", ", ".join(one["transforms"]))
    terminal.field("tags", ", ".join(told["tags"]))
    cost = "a pattern that backtracks, within a bound" if told["backtracks"] else "linear"
    terminal.field("cost", f"{cost}; `ostiary waf test --times` measures it for a request")
    terminal.say()
    terminal.say(told["text"], terminal.QUIET)
