"""What `explain` says of requests that rules of `waf` stopped, flagged, or could not look into."""

from __future__ import annotations

import json
from typing import Any

import pytest
from test_explain import record

from ostiary.plan.explain import Outcome, explain
from ostiary.plan.native import Stage
from ostiary.plan.policy import PolicyRecord, load
from ostiary.policy.rules import Effect, Level, Rule

HELD = {
    "mode": "block",
    "paranoia": 2,
    "threshold": 5,
    "response_threshold": 3,
    "set": "0123456789abcdef",
    "rules": {"core": ["gateway main"], "crs": ["gateway main", "route notes"]},
    "numbers": {"core": [[10000, 10900]], "crs": [[900990, 980170]]},
    "exclude": [
        {
            "rules": [942100, 942110],
            "target": "ARGS:text",
            "paths": ["/notes/*"],
            "because": "notes quote SQL",
            "until": "2027-03-31",
            "owner": "route notes",
        },
        {
            "rules": [941100],
            "target": None,
            "paths": ["/files/*"],
            "because": "files",
            "until": None,
            "owner": "gateway main",
        },
    ],
}
POLICY = PolicyRecord(
    "default/default/notes",
    ("notes.localhost",),
    (Level("route notes", (Rule("all", Effect.ALLOW, public=True),)),),
    login=False,
    place="site.yaml:7:3",
    waf=json.dumps(HELD),
)
FOUND = {
    "action": "blocked",
    "mode": "block",
    "rules": [942190, 949110],
    "score": 5,
    "by": 949110,
    "message": "Detects MSSQL code execution",
    "place": "ARGS:q",
    "data": "' union select",
    "phase": 2,
}


def said(found: dict[str, Any] | None, **changes: Any) -> dict[str, str]:
    explanation = explain(record(waf=json.dumps(found) if found else "", **changes), POLICY)
    told = {one.name: one.value for one in explanation.inputs}
    return {**told, "by": explanation.decided_by, "why": explanation.sentence}


def blocked(**changes: Any) -> dict[str, str]:
    return said({**FOUND, **changes}, details="ostiary.waf_blocked", code=403)


def test_a_stopped_request_is_told_with_its_rules_and_who_demanded_them() -> None:
    told = blocked()
    assert told["by"] == Stage.WAF
    assert told["why"] == (
        "Detects MSSQL code execution, at ARGS:q; the rule 949110 stopped the request"
    )
    assert told["rules"] == "942190, 949110"
    assert told["matched"] == "ARGS:q = ' union select"
    assert told["score"] == "5 of 5, at paranoia 2"
    assert told["crs demanded by"] == "gateway main, route notes"
    assert "core demanded by" not in told


def test_only_exclusions_of_this_path_are_told() -> None:
    told = said(FOUND, details="ostiary.waf_blocked", code=403, path="/notes/1")
    assert told["excluded"] == (
        "942100, 942110 for ARGS:text by route notes: notes quote SQL, until 2027-03-31"
    )
    assert "excluded" not in said(FOUND, details="ostiary.waf_blocked", code=403, path="/other")


def test_a_stopped_answer_is_told_apart() -> None:
    told = blocked(phase=4)
    assert "stopped the answer" in told["why"]
    assert told["score"] == "5 of 3, at paranoia 2"


def test_a_flagged_request_passed() -> None:
    flagged = {**FOUND, "action": "flagged", "mode": "shadow"}
    explanation = explain(record(waf=json.dumps(flagged)), POLICY)
    assert explanation.outcome is Outcome.PASSED
    assert explanation.doubt == ""
    told = said(flagged)
    assert told["waf"] == "flagged (mode shadow)"
    assert told["found"] == FOUND["message"]


def test_a_flagged_body_that_no_rule_saw_says_why() -> None:
    long = "the body is longer than what is inspected"
    flagged = {"action": "flagged", "mode": "shadow", "message": long}
    assert said(flagged)["found"] == long


@pytest.mark.parametrize(
    ("details", "code", "word"),
    [
        ("ostiary.waf_body_limit", 413, "waf.body_limit"),
        ("ostiary.waf_encoding", 415, "encoded"),
        ("ostiary.waf_exhausted", 403, "waf.budget"),
        ("ostiary.waf_busy", 503, "as many bodies as it may"),
    ],
)
def test_what_was_not_looked_into_is_told(details: str, code: int, word: str) -> None:
    told = said({"action": "blocked", "exhausted": True}, details=details, code=code)
    assert told["by"] == Stage.WAF
    assert word in told["why"]
    assert told["budget"] == "used up"


def test_what_the_guard_did_not_say_is_not_guessed() -> None:
    told = said(None, details="ostiary.waf_blocked", code=403)
    assert told["why"] == "a rule of `waf` stopped the request"
    assert "waf" not in told
    odd = said({"action": 7, "rules": "all", "score": None, "by": "x"}, code=200)
    assert odd["waf"] == "7"


def test_many_rules_are_not_all_told() -> None:
    assert blocked(rules=list(range(1, 13)))["rules"].endswith("10 and 2 more")


def test_a_record_without_waf_is_that_of_before_there_was_any() -> None:
    before = PolicyRecord("a", (), (), login=False, place="")
    assert '"waf"' not in before.dump()
    assert load(before.dump()) == before
    assert load(POLICY.dump()) == POLICY
