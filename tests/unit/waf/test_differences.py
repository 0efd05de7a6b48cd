"""A replay counts what two sides decide differently, and why."""

from __future__ import annotations

from traffic_lines import line, log

from ostiary.waf.differences import Decision, compare
from ostiary.waf.traffic import Entry, read

PASSED = Decision(stopped=False, score=0, rules=())
STOPPED = Decision(stopped=True, score=5, rules=(1, 9))


def test_what_changes_is_told_with_the_rules_that_change_it() -> None:
    cut = line("/cut")
    cut["request"]["cut"] = True
    text = log(line("/new"), line("/old"), line("/both"), cut, line("/gone", request=None))

    def old(entry: Entry) -> Decision:
        return STOPPED if entry.path in {"/old", "/both"} else PASSED

    def new(entry: Entry) -> Decision:
        if entry.path == "/cut":
            return Decision(stopped=False, score=3, rules=(2,))
        return STOPPED if entry.path in {"/new", "/both"} else PASSED

    found = compare(read(text).entries, old, new)
    assert (found.asked, found.unrecorded, found.cut) == (4, 1, 1)
    assert [one.entry.path for one in found.stopped] == ["/new"]
    assert [one.entry.path for one in found.passed] == ["/old"]
    assert found.passed[0].reasons == (1, 9)
    assert (found.same_stopped, found.other_rules) == (1, 1)
    assert found.reasons() == [(1, 1), (9, 1)]
