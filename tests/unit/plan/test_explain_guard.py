"""What `explain` says of requests that the guard refused, ended or scored."""

from __future__ import annotations

from typing import Any

import pytest
from test_explain import record

from ostiary.plan.explain import Deed, Outcome, explain, explain_all
from ostiary.plan.native import Stage
from ostiary.plan.policy import PolicyRecord
from ostiary.policy.rules import Effect, Level, Rule

CALM = Rule("calm", Effect.ALLOW, groups=("editors",), risk=(0, 59))
POLICY = PolicyRecord(
    "default/default/notes",
    ("notes.localhost",),
    (Level("route notes", (CALM,)),),
    login=True,
    place="site.yaml:7:3",
)
VERDICT = {"verdict": "v-1", "effect": "deny", "reason": "device-lost", "risk": 0}


def said(**changes: Any) -> Any:
    return explain(record(policy=POLICY.hash, **changes), POLICY)


def test_a_refusal_names_the_verdict_and_who_can_say_more() -> None:
    told = said(code=403, details="ostiary.trust_denied", **VERDICT)
    assert (told.outcome, told.decided_by) == (Outcome.REFUSED, Stage.TRUST)
    assert "the verdict v-1 (device-lost) refused the request" in told.sentence
    assert "ostiary verdict lift" in told.remedy
    assert ("verdict", "v-1") in {(one.name, one.value) for one in told.inputs}
    assert told.doubt == ""


def test_a_connection_that_was_closed_is_told_as_one() -> None:
    told = said(code=0, details="ostiary.trust_denied", method="", path="", host="", **VERDICT)
    assert told.outcome is Outcome.REFUSED
    assert "the verdict v-1 (device-lost) closed the connection" in told.sentence


def test_a_stream_that_was_ended_is_no_success() -> None:
    told = said(code=200, details="via_upstream", **VERDICT)
    assert told.outcome is Outcome.REFUSED
    assert "ended what was already on its way" in told.sentence


@pytest.mark.parametrize(
    ("changes", "stage", "words"),
    [
        ({"code": 401, "details": "ostiary.session_ended", **VERDICT}, Stage.TRUST, "withdrawn"),
        (
            {"code": 401, "details": "ostiary.trust_step_up", **VERDICT, "effect": "step-up"},
            Stage.TRUST,
            "another sign-in",
        ),
        (
            {"code": 429, "details": "ostiary.trust_limited", **VERDICT, "effect": "limit"},
            Stage.LIMITS,
            "fewer requests",
        ),
        ({"code": 503, "details": "ostiary.trust_stale"}, Stage.TRUST, "stale_after"),
        ({"code": 503, "details": "ostiary.trust_full"}, Stage.TRUST, "all verdicts"),
        ({"code": 400, "details": "ostiary.cookies_twice"}, Stage.COOKIES, "two cookies"),
        ({"code": 500, "details": "ostiary.guard_failed"}, Stage.TRUST, "report"),
    ],
)
def test_each_reason_of_the_guard_has_its_words(
    changes: dict[str, Any], stage: Stage, words: str
) -> None:
    told = said(**changes)
    assert told.decided_by == stage
    assert words in told.sentence


def test_a_rule_that_read_the_risk_is_decided_again_with_it() -> None:
    none = "rbac_access_denied_matched_policy[none]"
    told = said(code=403, details=none, risk=80)
    assert told.missing[0].condition == "needs a risk below 60"
    assert ("risk", "80") in {(one.name, one.value) for one in told.inputs}
    assert told.doubt == ""
    assert said(risk=10).outcome is Outcome.PASSED
    assert "please report" in said(risk=80).doubt, "a pass that the rules refuse is told"


@pytest.mark.parametrize(
    ("reason", "stage", "words"),
    [
        ("trust-stale", Stage.TRUST, "under way, ended"),
        ("trust-full", Stage.TRUST, "all verdicts"),
        ("cookies-twice", Stage.COOKIES, "two cookies"),
        ("guard-failed", Stage.TRUST, "report"),
    ],
)
def test_a_grpc_refusal_without_a_verdict_has_its_words_though_envoy_has_none(
    reason: str, stage: Stage, words: str
) -> None:
    told = said(code=200, details="", effect="refuse", reason=reason)
    assert (told.outcome, told.decided_by) == (Outcome.REFUSED, stage)
    assert words in told.sentence
    assert told.doubt == ""


GIVEN = Deed(1_795_600_800.0, "administrator", "put", "laptop was stolen")


@pytest.mark.parametrize(
    ("deeds", "words"),
    [
        ((GIVEN,), ["since 2026-11-25 10:00:00 UTC", "by administrator", "stolen", "it holds"]),
        (
            (Deed(1_795_604_400.0, "ada", "lift", "found again"), GIVEN),
            ["since 2026-11-25 10:00:00 UTC", "over since 2026-11-25 11:00:00", "by ada", "found"],
        ),
        (
            (Deed(1_795_604_400.0, "ostiary", "expire", "its time was over"), GIVEN),
            ["over since 2026-11-25 11:00:00 UTC, when its time was up"],
        ),
        ((), ["does not go back to this verdict"]),
    ],
)
def test_an_administrator_is_told_since_when_by_whom_and_where_to_read_on(
    deeds: tuple[Deed, ...], words: list[str]
) -> None:
    refused = record(policy=POLICY.hash, code=403, details="ostiary.trust_denied", **VERDICT)
    told = explain(refused, POLICY, deeds)
    assert told.withdrawn.endswith("`ostiary audit v-1` shows all of it")
    for word in words:
        assert word in told.withdrawn


def test_without_a_verdict_nothing_was_withdrawn() -> None:
    assert explain_all([record()], lambda _: POLICY, lambda _: (GIVEN,))[0].withdrawn == ""
