"""`explain` says what decided, what mattered and what is missing, and never guesses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ostiary.plan.explain import Explanation, Outcome, explain, explain_all
from ostiary.plan.policy import PolicyRecord
from ostiary.plan.record import DENIALS_LOG, DecisionRecord
from ostiary.policy.rules import Effect, Level, Rule

EDGE = "spiffe://test.ostiary/default/default/gateway/main"
MINI = "spiffe://test.ostiary/default/default/service/notes"
EDITORS = Rule("editors write", Effect.ALLOW, groups=("editors",))
READERS = Rule("notes/access[1]", Effect.ALLOW, groups=("readers",), methods=("GET",))
NO_EXPORT = Rule("no export", Effect.DENY, paths=("/export/*",))
POLICY = PolicyRecord(
    "default/default/notes",
    ("notes.localhost",),
    (Level("route notes", (EDITORS, READERS, NO_EXPORT)),),
    login=True,
    place="site.yaml:7:3",
)


def record(**changes: Any) -> DecisionRecord:
    made = DecisionRecord(
        id="d1",
        time=1.0,
        proxy=EDGE,
        log=DENIALS_LOG,
        route="default/default/notes",
        policy=POLICY.hash,
        host="notes.localhost",
        method="POST",
        path="/notes",
        code=200,
        details="via_upstream",
        flags="",
        credential="session",
        subject="visitor",
        email="",
        groups=("editors",),
        session_host="notes.localhost",
        sid="s1",
        group_set="g1",
        shadow="allowed",
        peer="",
        client="192.0.2.7",
        duration=0.004,
        upstream="",
        failure="",
        offline=False,
    )
    return made._replace(**changes)


def refused(**changes: Any) -> DecisionRecord:
    return record(
        **{"code": 403, "details": "ext_authz_denied", "groups": (), "shadow": "denied"} | changes
    )


def inputs(found: Explanation) -> dict[str, str]:
    return {one.name: one.value for one in found.inputs}


def test_a_passed_request_names_the_rule_that_let_it_pass() -> None:
    found = explain(record(), POLICY)
    assert (found.outcome, found.decided_by) == (Outcome.PASSED, "editors write")
    assert found.request == "POST notes.localhost/notes"
    assert found.place == "site.yaml:7:3"
    assert (found.doubt, found.missing) == ("", ())
    assert inputs(found)["groups"] == "editors"


def test_a_refusal_names_the_smallest_missing_condition_and_the_remedy() -> None:
    found = explain(refused(), POLICY)
    assert (found.outcome, found.decided_by) == (Outcome.REFUSED, "access of route notes")
    assert "no rule of route notes" in found.sentence
    assert found.missing[0].rule == "editors write"
    assert "editors" in found.missing[0].condition
    assert "group" in found.remedy
    assert inputs(found)["signed in as"] == "visitor"
    assert "none" in inputs(found)["groups"]
    assert found.doubt == ""


def test_a_deny_rule_is_named() -> None:
    found = explain(refused(path="/export/all", groups=("editors",)), POLICY)
    assert found.decided_by == "no export"
    assert "deny" in found.sentence


def test_only_inputs_that_rules_ask_about_are_shown() -> None:
    by_user = replace(POLICY, levels=(Level("route notes", (Rule("r", Effect.ALLOW),)),))
    assert set(inputs(explain(refused(), by_user))) == {"signed in as"}


def test_a_token_for_another_host_is_nobody() -> None:
    found = explain(refused(session_host="mail.localhost", groups=("editors",)), POLICY)
    assert "mail.localhost" in inputs(found)["signed in as"]
    assert found.doubt == ""


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"groups": ()}, "let this pass"),
        ({"code": 403, "details": "ext_authz_denied"}, "refused this"),
    ],
)
def test_a_disagreement_is_said_plainly(changes: dict[str, Any], word: str) -> None:
    assert word in explain(record(**changes), POLICY).doubt


def test_a_lost_policy_is_said_and_not_guessed() -> None:
    found = explain(refused(), None)
    assert POLICY.hash in found.doubt
    assert (found.missing, found.place) == ((), "")


def test_grace_is_shown_and_no_disagreement() -> None:
    found = explain(record(offline=True), POLICY)
    assert "offline grace" in inputs(found)
    assert found.doubt == ""


def test_a_route_without_access_says_so() -> None:
    closed = replace(POLICY, levels=())
    found = explain(refused(details="direct_response", policy=closed.hash), closed)
    assert "`access`" in found.missing[0].condition


def test_a_mini_gateway_asks_the_service_level_of_the_policy_the_edge_asked() -> None:
    both = replace(POLICY, levels=(*POLICY.levels, Level("service notes", (READERS,))))
    edge = record(policy=both.hash)
    mini = refused(
        proxy=MINI,
        policy="",
        details="rbac_access_denied_matched_policy[none]",
        credential="assertion",
        peer=EDGE,
        groups=("editors",),
    )
    asked = []

    def find(content: str) -> PolicyRecord:
        asked.append(content)
        return both

    first, second = explain_all([mini, edge], find)
    assert asked == [both.hash]
    assert (first.proxy, second.proxy) == (EDGE, MINI)
    assert second.decided_by == "access of service notes"
    assert inputs(second)["caller"] == EDGE
    assert explain_all([], find) == ()


def test_a_service_without_access_needs_no_rule() -> None:
    found = explain(record(proxy=MINI, credential="assertion", peer=EDGE), POLICY)
    assert (found.outcome, found.doubt) == (Outcome.PASSED, "")
