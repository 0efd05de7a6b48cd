"""The identity slots on a real Envoy: the slow path, the gate before it, and cookie hygiene.

The traps of DESIGN section 4 that are touched (1, 2, 4) each have a test here or in
`test_identity_slots_rules.py`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from identity_rig import MODES, Rig, refuse, rig, site
from joserfc.jwk import ECKey

from ostiary.policy.rules import Effect, Level, Rule
from ostiary.wire import (
    AUTHZ_FAILED_HEADER,
    HANDOVER_AUDIENCE,
    HANDOVER_HEADER,
    REFRESH_COOKIE,
    SESSION_COOKIE,
    SSO_COOKIE,
    START_COOKIE_PREFIX,
)

pytestmark = pytest.mark.envoy

STAFF = Level("route notes", (Rule("staff", Effect.ALLOW, groups=("staff",)),))
PUBLIC = Level("route open", (Rule("all", Effect.ALLOW, public=True),))
NOBODY = Level("route none", (Rule("nobody", Effect.ALLOW, groups=("nobody",)),))
NAVIGATE = {"sec-fetch-mode": "navigate", "accept": "text/html"}


@pytest.fixture(scope="module", params=MODES)
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rig]:
    sites = [
        site("/", (STAFF,)),
        site("/nobody", (NOBODY,)),
        site("/open", (PUBLIC,), sign_in=None, cookies=True),
        site("/known", (PUBLIC,)),
        site("/", (STAFF,), host="*.wild.test"),
    ]
    with rig(tmp_path_factory.mktemp("identity"), sites, mode=request.param) as made:
        yield made


@pytest.fixture
def edge(running: Rig) -> Rig:
    running.calls.clear()
    running.answer = refuse
    running.extra_set_cookies.clear()
    return running


def test_a_stranger_who_navigates_is_sent_to_the_sign_in_host(edge: Rig) -> None:
    got = edge.request("/some/page?a=1&b=2", headers=NAVIGATE)
    decision = got.header("x-ostiary-decision")
    assert got.status == 302
    assert got.header("location") == (
        f"https://login.test:8443/sign-in?start={decision}"
        "&to=https://notes.test:8443/some/page?a=1&b=2"
    )
    cookie = got.header("set-cookie")
    assert cookie.startswith(f"{START_COOKIE_PREFIX}{decision}=1; Path=/; Secure; HttpOnly")
    assert "SameSite=Lax; Max-Age=600" in cookie
    assert got.header("cache-control") == "private, no-store"
    assert len(decision) == 36
    assert not edge.calls


def test_an_old_browser_that_accepts_html_navigates_too(edge: Rig) -> None:
    assert edge.request(headers={"accept": "text/html,*/*"}).status == 302
    assert edge.request(method="POST", body="", headers={"accept": "text/html"}).status == 401


def test_a_stranger_who_fetches_gets_401_in_json(edge: Rig) -> None:
    got = edge.request(headers={"sec-fetch-mode": "cors", "accept": "text/html"})
    assert got.status == 401
    assert got.header("content-type") == "application/json"
    assert json.loads(got.body)["decision"] == got.header("x-ostiary-decision")
    assert json.loads(got.body)["sign_in"] == "https://login.test:8443/sign-in"
    assert got.header("www-authenticate")
    assert not edge.calls


def test_nothing_of_the_request_is_repeated_in_a_refusal(edge: Rig) -> None:
    got = edge.request("/<script>alert(1)</script>?q=%22", headers={"accept": "*/*"})
    assert got.status == 401
    assert "script" not in got.body


def test_a_forged_or_garbage_token_never_reaches_login(edge: Rig) -> None:
    forger = ECKey.generate_key("P-256", {"kid": "k1"})
    forged = [edge.token(key=forger), edge.expired(), "a.b.c", "", "x" * 4000]
    forged[1] = edge.token(key=forger, exp=1)
    assert [edge.request(token=one).status for one in forged] == [401] * 5
    assert not edge.calls


def test_a_token_of_a_wrong_kind_is_no_session(edge: Rig) -> None:
    wrong = [
        edge.token(aud=HANDOVER_AUDIENCE),
        edge.token(aud="spiffe://t/service/notes"),
        edge.token(iss="another"),
        edge.token(exp=None),
    ]
    assert [edge.request(token=one).status for one in wrong] == [401] * 4
    bearer = {"authorization": f"Bearer {edge.token()}"}
    assert edge.request(headers=bearer).status == 401
    assert not edge.calls


def test_a_token_that_lives_too_long_is_refreshed_first(edge: Rig) -> None:
    long = edge.token(exp=int(time.time()) + 600)
    assert edge.request(token=long).status == 403
    assert len(edge.calls) == 1


def test_a_valid_token_passes_without_any_call(edge: Rig) -> None:
    got = edge.request("/x", token=edge.token())
    assert got.status == 200
    assert got.seen["headers"]["x-ostiary-assertion"] == "the-assertion"
    assert not edge.calls


def test_the_assertion_reaches_a_public_route_when_somebody_is_known(edge: Rig) -> None:
    got = edge.request("/known", token=edge.token())
    assert got.seen["headers"]["x-ostiary-assertion"] == "the-assertion"
    forged = edge.request("/known", headers={"x-ostiary-assertion": "forged"})
    assert "x-ostiary-assertion" not in forged.seen["headers"]


def test_a_token_for_another_host_is_a_strangers(edge: Rig) -> None:
    assert edge.request(token=edge.token(host="other.test")).status == 401
    assert edge.request(token=edge.expired(host="other.test")).status == 401
    assert not edge.calls


def test_below_a_wildcard_each_host_has_its_own_token(edge: Rig) -> None:
    token = edge.token(host="a.wild.test")
    assert edge.request(token=token, host="a.wild.test").status == 200
    assert not edge.calls
    assert edge.request(token=token, host="b.wild.test").status == 403
    assert len(edge.calls) == 1


def test_a_rule_that_denies_asks_login_for_the_page(edge: Rig) -> None:
    got = edge.request("/nobody", token=edge.token())
    assert (got.status, got.body) == (403, "the page of login")
    assert got.header("x-ostiary-decision")
    (call,) = edge.calls
    assert dict(call.attributes.context_extensions) == {
        "route": "default/default/notes",
        "policy": "hash",
    }
    claims = call.attributes.metadata_context.filter_metadata["envoy.filters.http.jwt_authn"]
    assert claims["session"]["sub"] == "editor"


def test_login_sees_only_what_it_needs(edge: Rig) -> None:
    secret = {"authorization": "Bearer x", "x-api-key": "y", "accept": "text/html"}
    got = edge.request("/nobody", token=edge.token(), headers=secret)
    (call,) = edge.calls
    seen = dict(call.attributes.request.http.headers)
    assert {"authorization", "x-api-key"}.isdisjoint(seen)
    assert {"cookie", "accept", "x-request-id"} <= set(seen)
    assert seen["x-request-id"] == got.header("x-ostiary-decision")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_expired_token_is_refreshed_once_and_nothing_is_lost(edge: Rig, method: str) -> None:
    edge.answer = edge.hands_over()
    body = "precious " * 1000 if method == "POST" else None
    same_origin = {"sec-fetch-site": "same-origin"}
    got = edge.request("/save", method, token=edge.expired(), body=body, headers=same_origin)
    assert got.status == 200
    assert got.seen["method"] == method
    assert got.seen["body"] == (body or "")
    assert got.seen["headers"]["x-ostiary-assertion"] == "the-assertion"
    assert HANDOVER_HEADER not in got.seen["headers"]
    assert f"{SESSION_COOKIE}=FRESH" in got.header("set-cookie")
    assert len(edge.calls) == 1
    stale = edge.calls[0].attributes.metadata_context.filter_metadata
    assert "stale" in stale["envoy.filters.http.jwt_authn"]


def test_a_token_of_another_group_set_is_refreshed(edge: Rig) -> None:
    edge.answer = edge.hands_over()
    assert edge.request(token=edge.token(gv="gv-0")).status == 200
    assert len(edge.calls) == 1


def test_what_was_handed_over_replaces_the_older_claims(edge: Rig) -> None:
    """The old token's groups must not live on beside the new one's."""
    edge.answer = edge.hands_over(groups=["guests"])
    got = edge.request(token=edge.token(gv="gv-0"))
    assert got.status == 503
    assert "does not know its keys" in got.body


def test_a_handed_over_token_for_another_host_opens_nothing(edge: Rig) -> None:
    edge.answer = edge.hands_over(host="other.test")
    assert edge.request(token=edge.expired()).status == 503
    edge.answer = edge.hands_over(aud="ostiary:session")
    assert edge.request(token=edge.expired()).status == 503


def test_forged_headers_of_ours_are_useless(edge: Rig) -> None:
    handover = edge.token(aud=HANDOVER_AUDIENCE)
    forged = {
        HANDOVER_HEADER: handover,
        AUTHZ_FAILED_HEADER: "true",
        "x-ostiary-assertion": "forged",
        "x-ostiary-offline": "1",
    }
    assert edge.request(headers=forged).status == 401
    assert edge.request(token=edge.expired(), headers=forged).status == 403
    seen = edge.request(token=edge.token(), headers=forged).seen["headers"]
    assert seen["x-ostiary-assertion"] == "the-assertion"
    assert {HANDOVER_HEADER, AUTHZ_FAILED_HEADER, "x-ostiary-offline"}.isdisjoint(seen)


def test_a_public_route_never_calls(edge: Rig) -> None:
    tokens = [None, edge.token(), edge.expired(), "a.b.c"]
    assert [edge.request("/open", token=one).status for one in tokens] == [200] * 4
    assert [edge.request("/known", token=one).status for one in tokens] == [200] * 4
    assert not edge.calls


def test_grpc_clients_get_trailers_only(edge: Rig) -> None:
    grpc = {"content-type": "application/grpc", "te": "trailers", "accept": "text/html"}
    stranger = edge.request("/p.S/M", "POST", body="", headers=grpc | NAVIGATE)
    assert (stranger.status, stranger.header("grpc-status")) == (200, "16")
    assert not stranger.header("location")
    assert stranger.body == ""
    own = grpc | {"sec-fetch-site": "none"}
    refused = edge.request("/nobody", "POST", token=edge.token(), body="", headers=own)
    assert (refused.status, refused.header("grpc-status")) == (200, "7")


def test_our_cookies_do_not_reach_the_application(edge: Rig) -> None:
    cookie = f"a=1; {SESSION_COOKIE}={edge.token()}; b=2;{REFRESH_COOKIE}=r; ={SSO_COOKIE}=n"
    assert edge.request(cookie=cookie).seen["headers"]["cookie"] == "a=1; b=2"
    assert edge.request("/open", cookie=cookie).seen["headers"]["cookie"] == "a=1; b=2"
    assert "cookie" not in edge.request(token=edge.token()).seen["headers"]
    alone = edge.request("/open", cookie="a=x,y; b=2").seen["headers"]["cookie"]
    assert alone == "a=x,y; b=2"


def test_our_cookies_hide_in_no_second_header(edge: Rig) -> None:
    second = [("cookie", f"{REFRESH_COOKIE}=r"), ("cookie", "c=3")]
    got = edge.request("/open", cookie="a=1", headers=second)
    assert REFRESH_COOKIE not in json.dumps(got.seen)


def test_two_cookies_of_one_name_of_ours_are_400(edge: Rig) -> None:
    token = edge.token()
    both = f"{SESSION_COOKIE}={token}; a=1; {SESSION_COOKIE}={token}"
    got = edge.request(cookie=both)
    assert got.status == 400
    assert "two cookies" in got.body
    assert got.header("x-ostiary-decision")
    apart = [("cookie", f"{SESSION_COOKIE}={token}")]
    assert edge.request(token=token, headers=apart).status == 400


def test_the_application_cannot_set_a_cookie_of_ours(edge: Rig) -> None:
    edge.extra_set_cookies += [
        "theme=dark; Path=/",
        f"{SESSION_COOKIE}=evil; Path=/; Secure",
        f"={REFRESH_COOKIE}=evil; Path=/",
        f"note={SESSION_COOKIE}; Path=/",
    ]
    for path in ("/", "/open"):
        got = edge.request(path, token=edge.token())
        cookies = [value for name, value in got.headers if name == "set-cookie"]
        assert cookies == ["theme=dark; Path=/", f"note={SESSION_COOKIE}; Path=/"]


def test_every_local_answer_carries_its_decision(edge: Rig) -> None:
    nowhere = edge.request(host="nowhere.test")
    assert nowhere.status == 404
    assert nowhere.header("x-ostiary-decision") in nowhere.body


def test_a_resource_that_is_away_is_503_in_words(tmp_path: Path) -> None:
    with rig(tmp_path, [site("/", (PUBLIC,), sign_in=None)]) as made:
        made.upstream.shutdown()
        made.upstream.server_close()
        got = made.request()
    assert got.status == 503
    assert "cannot be reached" in got.body
    assert got.header("x-ostiary-decision") in got.body
