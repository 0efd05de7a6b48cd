"""CRS's own regression tests in process, detection only at paranoia 4."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import pytest
from corpora import CRS3, CRS4, module_files, snapshot_files
from crs_cases import Case, Stage, read
from engine import Engine, Found
from ratchet import had, hold_failing
from rule_sets import SIZES, Rules, crs3, crs4

SETS: Mapping[str, tuple[Callable[[str], Rules], Callable[[], Mapping[str, bytes]], str]] = {
    "crs-4.25.0": (crs4, lambda: module_files(CRS4), "tests/"),
    "crs-3.3.4": (crs3, lambda: snapshot_files(CRS3), "tests/regression/tests/"),
}


def cases(files: Mapping[str, bytes], below: str) -> list[Case]:
    chosen = files.items()
    return list(
        read((name, text) for name, text in chosen if name.startswith(below) and _is_test(name))
    )


def _is_test(name: str) -> bool:
    return name.endswith(".yaml")


def faults(stage: Stage, found: Found) -> list[str]:
    """What is not as the test wants it."""
    rules = set(found.rules)
    wrong = [f"{rule} did not match" for rule in sorted(stage.expect - rules)]
    wrong += [f"{rule} matched" for rule in sorted(stage.refuse & rules)]
    hits = {
        pattern: any(re.search(pattern, line) for line in found.lines)
        for pattern in (*stage.lines, *stage.no_lines)
    }
    wrong += [f"no line has {pattern}" for pattern in stage.lines if not hits[pattern]]
    return wrong + [f"a line has {pattern}" for pattern in stage.no_lines if hits[pattern]]


@pytest.mark.parametrize("name", SETS)
def test_the_rule_set_passes_its_own_tests(name: str) -> None:
    rules, files, below = SETS[name]
    all_cases = cases(had(files), below)
    engine = Engine(rules(SIZES), block=False, paranoia=4)
    judged = [case for case in all_cases if all(stage.about_rules for stage in case.stages)]
    failing = {}
    for case in judged:
        wrong = [
            why
            for stage in case.stages
            for why in faults(stage, engine.ask(stage.message, stage.reply))
        ]
        if wrong:
            failing[case.id] = "; ".join(wrong)
    assert len(judged) > 2_000
    hold_failing(f"{name} in process", len(judged), failing)
