"""Each word of Envoy's becomes a sentence and a stage; an unknown word stays unknown."""

from __future__ import annotations

from typing import Any

import pytest
from test_explain import EDGE, MINI, POLICY, record

from ostiary.plan.explain import Outcome, explain
from ostiary.plan.native import Stage, read

NONE = "rbac_access_denied_matched_policy[none]"
RESET = "upstream_reset_before_response_started{remote_connection_failure|immediate_connect_error}"
CASES: list[tuple[dict[str, Any], Stage, str]] = [
    ({"code": 404}, Stage.APPLICATION, "application itself answered 404"),
    (
        {
            "code": 302,
            "details": "rbac_access_denied_matched_policy[stranger]",
            "credential": "",
            "subject": "",
        },
        Stage.GATE,
        "nobody was signed in",
    ),
    (
        {"code": 403, "details": "rbac_access_denied_matched_policy[cross-site]"},
        Stage.CROSS_SITE,
        "another site",
    ),
    ({"code": 429, "details": "local_rate_limited"}, Stage.LIMITS, "the user visitor"),
    (
        {"code": 429, "details": "local_rate_limited", "credential": ""},
        Stage.LIMITS,
        "the address 192.0.2.7",
    ),
    (
        {"code": 429, "details": "local_rate_limited", "route": "ostiary/ostiary/sign-in.main"},
        Stage.LIMITS,
        "192.0.2.7 asked our own pages",
    ),
    (
        {"code": 429, "details": "local_rate_limited", "shadow": "denied"},
        Stage.LIMITS,
        "visitor asked for what the rules deny",
    ),
    ({"code": 400, "details": "direct_response", "policy": ""}, Stage.PATH, "two things"),
    ({"code": 400, "details": "path_normalization_failed"}, Stage.PATH, "two things"),
    ({"code": 503, "details": NONE, "credential": "expired"}, Stage.LOGIN_AWAY, "did not answer"),
    ({"code": 503, "details": "ext_authz_error"}, Stage.LOGIN_AWAY, "did not answer"),
    ({"code": 503, "details": "ext_authz_denied"}, Stage.LOGIN, "keys or clock"),
    ({"code": 302, "details": "ext_authz_denied"}, Stage.LOGIN, "session is over"),
    ({"code": 400, "details": "lua_response"}, Stage.COOKIES, "two cookies"),
    ({"code": 503, "details": "direct_response"}, Stage.FAULT, "faulty"),
    ({"code": 204, "details": "direct_response"}, Stage.GATEWAY, "as written"),
    ({"code": 404, "details": "route_not_found"}, Stage.ROUTING, "no route"),
    (
        {"code": 503, "details": RESET, "flags": "upstream_connection_failure"},
        Stage.UPSTREAM,
        "could not be reached",
    ),
    (
        {"code": 503, "details": RESET, "failure": "TLS_error:|268435581:CERTIFICATE_VERIFY"},
        Stage.UPSTREAM,
        "did not prove who it is",
    ),
    ({"code": 504, "details": "upstream_response_timeout"}, Stage.UPSTREAM, "timeouts.request"),
    ({"code": 503, "details": "no_healthy_upstream"}, Stage.UPSTREAM, "healthy"),
    ({"code": 0, "details": "downstream_remote_disconnect"}, Stage.CLIENT, "went away"),
    ({"code": 400, "details": "http1.codec_error"}, Stage.PROTOCOL, "not sound HTTP"),
    (
        {
            "code": 403,
            "details": "rbac_access_denied_matched_policy[caller]",
            "proxy": MINI,
            "peer": EDGE,
            "credential": "",
        },
        Stage.CALLER,
        "no declared caller",
    ),
    (
        {
            "code": 403,
            "details": "rbac_access_denied_matched_policy[assertion]",
            "proxy": MINI,
            "peer": EDGE,
            "credential": "",
        },
        Stage.ASSERTION,
        "no valid identity assertion",
    ),
    (
        {"code": 400, "details": "rbac_access_denied_matched_policy[host-guard]"},
        Stage.PATH,
        "no host name has",
    ),
    (
        {"code": 400, "details": "rbac_access_denied_matched_policy[path-guard]"},
        Stage.PATH,
        "two things",
    ),
    (
        {
            "code": 401,
            "details": "jwt_authn_access_denied{Jwt_is_expired}",
            "proxy": MINI,
            "peer": EDGE,
            "credential": "",
        },
        Stage.ASSERTION,
        "no valid identity assertion",
    ),
    ({"code": 500, "details": "a_new_word"}, Stage.UNKNOWN, "a_new_word"),
    ({"code": 500, "details": ""}, Stage.UNKNOWN, "nothing about why"),
]


@pytest.mark.parametrize(("changes", "stage", "words"), CASES)
def test_a_word_of_envoys_is_a_stage_and_a_sentence(
    changes: dict[str, Any], stage: Stage, words: str
) -> None:
    native = read(record(**changes))
    assert native.stage is stage
    assert words in native.sentence


@pytest.mark.parametrize(("changes", "stage", "_words"), CASES)
def test_no_native_answer_is_called_a_rule(
    changes: dict[str, Any], stage: Stage, _words: str
) -> None:
    found = explain(record(**changes), POLICY)
    if stage not in {Stage.APPLICATION, Stage.GATEWAY, Stage.UPSTREAM, Stage.CLIENT}:
        assert found.decided_by == stage
    assert found.sentence


def test_outcomes_are_those_a_person_would_say() -> None:
    said = {stage: explain(record(**changes), POLICY).outcome for changes, stage, _ in CASES}
    assert said[Stage.GATE] is Outcome.SIGN_IN
    assert said[Stage.LIMITS] is Outcome.LIMITED
    assert said[Stage.UPSTREAM] is Outcome.FAILED
    assert said[Stage.CROSS_SITE] is Outcome.REFUSED
    assert said[Stage.CALLER] is Outcome.REFUSED
    assert said[Stage.ASSERTION] is Outcome.REFUSED
