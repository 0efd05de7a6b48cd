"""The WAF's engine from Python: rules become a plan, a plan says what it thinks of a request."""

from __future__ import annotations

import guard_library
import pytest

waf = pytest.importorskip("ostiary_guard.waf", reason="the wheel ostiary-guard is not here")

HEADERS = [(b"host", b"a.example"), (b"user-agent", b"test"), (b"accept", b"*/*")]
ATTACK = b"/?q=1%27%20union%20select%20password%20from%20users--"


def test_the_core_pack_refuses_an_attack_and_says_where_it_was() -> None:
    guard_library.needed()
    plan = waf.Plan(waf.RuleSet(core=True), mode="block")
    assert not plan.inspect("GET", b"/?q=tea", HEADERS).interrupted
    found = plan.inspect("GET", ATTACK, HEADERS)
    assert found.interrupted
    assert found.status == 403
    assert found.by in found.rules
    assert "ARGS:q" in {one.place for one in found.matches}
    shadow = plan.inspect("GET", ATTACK, HEADERS, mode="shadow")
    assert not shadow.interrupted
    assert shadow.rules


def test_what_is_excluded_is_not_found() -> None:
    plan = waf.Plan(waf.RuleSet([("own.conf", RULE)]), mode="block")
    body = b"a=evil"
    headers = [*HEADERS, (b"content-type", b"application/x-www-form-urlencoded")]
    assert plan.inspect("POST", b"/", headers, body).interrupted
    assert plan.excluded(["7"]) == [7]
    for rules, targets in ([["7"], []], [["tag:own"], ["ARGS:a"]], [["5-9"], ["ARGS:/^A/"]]):
        said = plan.inspect("POST", b"/", headers, body, exclude=[(rules, targets)])
        assert not said.interrupted
    assert plan.inspect("POST", b"/", headers, body, exclude=[(["7"], ["ARGS:b"])]).interrupted
    with pytest.raises(ValueError, match="no rule"):
        plan.excluded(["seven"])


def test_faults_have_their_places() -> None:
    with pytest.raises(waf.RuleFaults) as found:
        waf.RuleSet([("own.conf", "# one\nSecRule ARGS @nonsense x id:1\nSecRool\n")])
    places = [(file, line) for file, line, _ in found.value.faults]
    assert places == [("own.conf", 2), ("own.conf", 3)]
    assert waf.target_fault("ARGS:comment") == ""
    assert waf.target_fault("ARGZ:comment")


def test_rules_say_what_they_are() -> None:
    (rule,) = waf.RuleSet([("own.conf", RULE)]).rules
    assert (rule["id"], rule["file"], rule["line"], rule["phase"]) == (7, "own.conf", 1, 2)
    assert rule["tags"] == ["own", "paranoia-level/2"]
    assert rule["paranoia"] == 2


def test_the_core_pack_can_be_read_and_patterns_that_backtrack_are_told() -> None:
    (linear, bounded) = waf.RuleSet([("own.conf", RULE + BACKTRACKS)]).rules
    assert (linear["backtracks"], bounded["backtracks"]) == (False, True)
    core = waf.RuleSet([("core.conf", waf.CORE)]).rules
    assert core == waf.RuleSet(core=True).rules
    assert not any(rule["backtracks"] for rule in core)


RULE = (
    'SecRule ARGS "@contains evil" "id:7,phase:2,deny,status:403,msg:\'evil\','
    "tag:'own',tag:'paranoia-level/2'\"\n"
)
BACKTRACKS = 'SecRule ARGS "@rx (a)\\1" "id:8,phase:2,pass"\n'


def test_a_body_is_read_as_what_it_says_it_is_and_refused_where_it_is_not() -> None:
    plan = waf.Plan(waf.RuleSet([("own.conf", RULE)]), mode="block")
    for kind, sound, broken in (
        (b"application/json; charset=utf-8", b'{"a":"evil"}', b'{"a":"evil'),
        (b"application/vnd.api+json", b'["evil"]', b'["evil"'),
    ):
        headers = [*HEADERS, (b"content-type", kind)]
        assert plan.inspect("POST", b"/", headers, sound).by == 7
        said = plan.inspect("POST", b"/", headers, broken)
        assert (said.interrupted, said.status, said.by) == (True, 400, 0)
        assert not plan.inspect("POST", b"/", headers, broken, mode="shadow").interrupted
        assert not plan.inspect("POST", b"/", headers, b"").interrupted
