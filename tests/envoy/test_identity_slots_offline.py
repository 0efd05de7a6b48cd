"""`login` is away: what a real Envoy does then, with and without `sessions.offline_grace`."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from identity_rig import MODES, Rig, rig, site

from ostiary.policy.rules import Effect, Level, Rule
from ostiary.wire import AUTHZ_FAILED_HEADER, OFFLINE_HEADER, REFRESH_COOKIE, SESSION_COOKIE

pytestmark = pytest.mark.envoy

STAFF = Level("route notes", (Rule("staff", Effect.ALLOW, groups=("staff",)),))
NOBODY = Level("route none", (Rule("nobody", Effect.ALLOW, groups=("nobody",)),))
SITES = [site("/", (STAFF,)), site("/nobody", (NOBODY,))]
GRACE = 120


@pytest.fixture(scope="module", params=MODES)
def strict(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rig]:
    with rig(tmp_path_factory.mktemp("strict"), SITES, mode=request.param) as made:
        made.login_server.stop(0).wait()
        yield made


@pytest.fixture(scope="module", params=MODES)
def graceful(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rig]:
    with rig(
        tmp_path_factory.mktemp("graceful"), SITES, offline_grace=GRACE, mode=request.param
    ) as made:
        made.login_server.stop(0).wait()
        yield made


def test_valid_tokens_go_on_as_if_nothing_were(strict: Rig) -> None:
    assert strict.request(token=strict.token()).status == 200


def test_without_grace_an_expired_token_is_503_in_words(strict: Rig) -> None:
    got = strict.request(token=strict.expired(10))
    assert got.status == 503
    assert "sign-in service does not answer" in got.body
    assert got.header("retry-after") == "5"
    assert got.header("x-ostiary-decision") in got.body


def test_strangers_are_still_sent_to_sign_in(strict: Rig) -> None:
    assert strict.request(headers={"sec-fetch-mode": "navigate"}).status == 302
    assert strict.request().status == 401
    assert strict.request(cookie=f"{SESSION_COOKIE}=a.b.c").status == 401
    assert strict.request(cookie=f"{REFRESH_COOKIE}=x").status == 401


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_grace_lets_a_recently_expired_token_pass_with_a_mark(graceful: Rig, method: str) -> None:
    body = "kept" if method == "POST" else None
    own = {"sec-fetch-site": "same-origin"}
    got = graceful.request("/", method, token=graceful.expired(10), body=body, headers=own)
    assert got.status == 200
    assert got.seen["body"] == (body or "")
    seen = got.seen["headers"]
    assert seen[OFFLINE_HEADER]
    assert seen["x-ostiary-assertion"] == "the-assertion"
    assert AUTHZ_FAILED_HEADER not in seen


def test_a_fresh_token_has_no_mark(graceful: Rig) -> None:
    assert OFFLINE_HEADER not in graceful.request(token=graceful.token()).seen["headers"]


def test_grace_ends(graceful: Rig) -> None:
    assert graceful.request(token=graceful.expired(GRACE + 30)).status == 503


def test_grace_opens_nothing_that_a_fresh_token_would_not(graceful: Rig) -> None:
    assert graceful.request("/nobody", token=graceful.expired(10)).status == 503
    assert graceful.request("/nobody", token=graceful.token()).status == 503
    assert graceful.request(token=graceful.expired(10, host="other.test")).status == 401
    assert graceful.request(token=graceful.expired(10, gv="gv-0")).status == 503


def test_grpc_is_told_unavailable(strict: Rig) -> None:
    grpc = {"content-type": "application/grpc", "te": "trailers", "sec-fetch-site": "none"}
    got = strict.request("/", "POST", token=strict.expired(10), body="", headers=grpc)
    assert (got.status, got.header("grpc-status")) == (200, "14")


def test_a_cached_token_ends_when_it_expires(strict: Rig) -> None:
    """Envoy's cache of verified tokens must not lengthen a life beyond the five seconds of skew."""
    token = strict.token(exp=int(time.time()) - 2)
    assert strict.request(token=token).status == 200
    time.sleep(4)
    assert strict.request(token=token).status == 503
