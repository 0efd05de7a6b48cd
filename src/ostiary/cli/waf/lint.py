"""`ostiary waf lint`: all that is wrong with rules, and what is doubtful."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ostiary.app import waf_rules
from ostiary.cli import terminal
from ostiary.cli.options import AsJson
from ostiary.waf.warnings import Found, doubts, duplicates


def lint(rules: list[str], /, *, as_json: AsJson = False) -> int:
    """Say all that is wrong with rules, and what is doubtful.

    Several words are read together, as a document reads them. The exit code is 1 when there is a
    fault: Envoy would refuse these rules. Warnings alone leave it 0: a pattern that needs
    backtracking, a rule that can never run, an exclusion of rules that are not there.

    Parameters
    ----------
    rules
        core, crs, or folders and files of rules.
    """
    files = waf_rules.read(rules, Path())
    faults, warnings, count = _judged(files)
    if as_json:
        told = {"rules": count, "faults": _told(faults), "warnings": _told(warnings)}
        terminal.say(json.dumps(told, indent=2))
        return 1 if faults else 0
    for one in faults:
        terminal.say(f"{one.file}:{one.line}: fault: {one.sentence}", terminal.BAD)
    for one in warnings:
        terminal.say(f"{one.file}:{one.line}: warning: {one.sentence}", terminal.CARE)
    if faults:
        terminal.tell(_count(len(faults), "fault"), terminal.BAD)
    else:
        more = f", {_count(len(warnings), 'warning')}" if warnings else ""
        terminal.tell(f"sound: {_count(count, 'rule')}{more}")
    return 1 if faults else 0


def _judged(files: waf_rules.RuleFiles) -> tuple[list[Found], list[Found], int]:
    """Faults, warnings and the number of rules."""
    waf = waf_rules.engine()
    try:
        rules: Sequence[dict[str, Any]] = waf_rules.rule_set(files).rules
    except waf.RuleFaults as found:
        told = {(file, line): Found(file, line, said) for file, line, said in found.faults}
        # The engine stops at the first number that is there twice; a person wants all of them.
        twice = {(one.file, one.line): one for one in duplicates(files.sources)}
        return sorted({**told, **twice}.values()), [], 0
    return [], sorted(set(doubts(files.sources, rules))), len(rules)


def _told(found: Sequence[Found]) -> list[dict[str, Any]]:
    return [{"file": one.file, "line": one.line, "sentence": one.sentence} for one in found]


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
