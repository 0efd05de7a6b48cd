"""Rules that the engine takes and a person would not want."""

from __future__ import annotations

import guard_library
import pytest

from ostiary.waf.warnings import doubts, duplicates

waf = pytest.importorskip("ostiary_guard.waf", reason="the wheel ostiary-guard is not here")


def said(text: str) -> list[str]:
    guard_library.needed()
    sources = [("own.conf", text)]
    found = doubts(sources, waf.RuleSet(sources).rules)
    return [f"{one.line}: {one.sentence}" for one in sorted(set(found))]


def test_sound_rules_leave_no_doubt() -> None:
    assert said('SecRule ARGS "@rx ^a+$" "id:1,phase:2,deny"\n') == []


def test_the_core_pack_leaves_no_doubt() -> None:
    assert said(waf.CORE) == []


def test_a_pattern_that_backtracks_is_told() -> None:
    (one,) = said('SecRule ARGS "@rx (a)(?=b)" "id:1,phase:2,deny"\n')
    assert one.startswith("1: the pattern of rule 1 needs backtracking")


def test_rules_that_never_run_are_told_with_the_reason() -> None:
    assert said(
        'SecAction "id:1,phase:2,pass,skipAfter:END"\n'
        'SecRule ARGS "@rx a" "id:2,phase:2,deny"\n'
        'SecRule ARGS "@rx a" "id:3,phase:1,deny"\n'
        "SecMarker END\n"
        'SecRule ARGS "@rx a" "id:4,phase:2,deny"\n'
        'SecAction "id:5,phase:2,deny"\n'
        'SecRule ARGS "@rx a" "id:6,phase:2,deny"\n'
        "SecRuleRemoveById 4\n"
    ) == [
        "2: rule 2 never runs: rule 1 (own.conf:1) is before it",
        "5: rule 4 never runs: a SecRuleRemove directive takes it out",
        "7: rule 6 never runs: rule 5 (own.conf:6) is before it",
    ]


def test_exclusions_of_nothing_are_told() -> None:
    assert said(
        "SecRule ARGS \"@rx a\" \"id:1,phase:2,pass,tag:'mine',msg:'one',"
        'ctl:ruleRemoveById=7,ctl:ruleRemoveTargetById=1;ARGS:x"\n'
        "SecRuleRemoveById 8 1000-2000\n"
        'SecRuleUpdateTargetById 9 "!ARGS:x"\n'
        'SecRuleUpdateTargetByTag theirs "!ARGS:x"\n'
        'SecRuleUpdateTargetByTag mine "!ARGS:x"\n'
    ) == [
        "1: rule 1 excludes rule 7, which is not there",
        "2: SecRuleRemoveById 1000-2000: there is no such rule",
        "2: SecRuleRemoveById 8: there is no such rule",
        "3: SecRuleUpdateTargetById 9: there is no such rule",
        "4: SecRuleUpdateTargetByTag theirs: no rule matches",
    ]


def test_every_number_that_is_there_twice_is_told() -> None:
    rule = 'SecAction "id:{},phase:1,pass"\n'
    text = "".join(map(rule.format, (1, 2, 1, 1)))
    found = list(duplicates([("a.conf", text), ("b.conf", rule.format(2))]))
    assert [(one.file, one.line) for one in found] == [("a.conf", 3), ("a.conf", 4), ("b.conf", 1)]
    assert found[0].sentence == "rule 1 is there twice: also at a.conf:1"


def test_a_file_that_is_read_twice_is_called_so() -> None:
    once = ("a.conf", 'SecAction "id:1,phase:1,pass"\n')
    (found,) = duplicates([once, once])
    assert found.sentence.endswith("its file is read twice, by its folder or an Include")


def test_an_exclusion_that_comes_too_late_is_told() -> None:
    assert said(
        'SecRule ARGS "@rx a" "id:1,phase:1,pass"\n'
        'SecRule ARGS "@rx a" "id:2,phase:2,pass"\n'
        'SecAction "id:3,phase:1,pass,ctl:ruleRemoveById=1,ctl:ruleRemoveById=2"\n'
        'SecAction "id:4,phase:2,pass,ctl:ruleRemoveTargetById=1-2;ARGS:x"\n'
        'SecAction "id:5,phase:1,pass,ctl:ruleRemoveById=1-2"\n'
    ) == [
        "3: rule 3 excludes rule 1, which has run by then: name its file before theirs",
        "4: rule 4 excludes rules 1-2, which have run by then: name its file before theirs",
    ]
