"""The cross-site check on a real Envoy: who may make a browser act with our cookie."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from identity_rig import MODES, Rig, refuse, rig, site

from ostiary.features.cors import Cors
from ostiary.policy.rules import Effect, Level, Rule
from ostiary.wire import REFRESH_COOKIE

pytestmark = pytest.mark.envoy

ANYONE = Level("route notes", (Rule("known", Effect.ALLOW),))
OWN = "https://notes.test:8443"
SIBLING = "https://evil.test:8443"
FRIEND = "https://friend.test"
SOCKET = {"connection": "Upgrade", "upgrade": "websocket"}


@pytest.fixture(scope="module", params=MODES)
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rig]:
    sites = [
        site("/", (ANYONE,)),
        site("/shared", (ANYONE,), blocks={"cors": Cors(origins=[FRIEND])}),
        site("/", (ANYONE,), host="*.wild.test", origin="https://*.wild.test:8443"),
    ]
    with rig(tmp_path_factory.mktemp("csrf"), sites, mode=request.param) as made:
        yield made


@pytest.fixture
def edge(running: Rig) -> Rig:
    running.calls.clear()
    running.answer = refuse
    return running


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"])
@pytest.mark.parametrize(
    "proof",
    [
        {},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "same-site", "origin": SIBLING},
        {"origin": SIBLING},
        {"origin": "null"},
        {"origin": OWN + ".evil.test"},
        {"origin": "http://notes.test:8443"},
        {"origin": "https://notes.test"},
        {"origin": FRIEND},
        {"referer": OWN},
    ],
    ids=str,
)
def test_an_unsafe_request_with_our_cookie_needs_proof(
    edge: Rig, method: str, proof: dict[str, str]
) -> None:
    got = edge.request("/", method, token=edge.token(), body="", headers=proof)
    assert got.status == 403
    assert "page of another site" in got.body
    assert got.header("x-ostiary-decision") in got.body
    assert not edge.calls


@pytest.mark.parametrize(
    "proof",
    [
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
        {"origin": OWN},
        {"sec-fetch-site": "same-site", "origin": OWN},
    ],
    ids=str,
)
def test_the_application_s_own_pages_may(edge: Rig, proof: dict[str, str]) -> None:
    assert edge.request("/", "POST", token=edge.token(), body="", headers=proof).status == 200


def test_a_listed_origin_may_where_it_is_listed(edge: Rig) -> None:
    friend = {"origin": FRIEND, "sec-fetch-site": "cross-site"}
    post = {"method": "POST", "token": edge.token(), "body": "", "headers": friend}
    assert edge.request("/shared", **post).status == 200
    assert edge.request("/", **post).status == 403


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_safe_methods_are_left_alone(edge: Rig, method: str) -> None:
    foreign = {"sec-fetch-site": "cross-site", "origin": SIBLING}
    got = edge.request("/", method, token=edge.token(), headers=foreign)
    assert "another site" not in got.body
    assert got.status != 403


def test_without_a_cookie_of_ours_there_is_nothing_to_forge(edge: Rig) -> None:
    got = edge.request("/", "POST", body="", cookie="app=1", headers={"origin": SIBLING})
    assert got.status == 401


def test_a_refresh_cookie_alone_counts_as_ours(edge: Rig) -> None:
    got = edge.request("/", "POST", body="", cookie=f"{REFRESH_COOKIE}=x")
    assert got.status == 403


def test_a_forged_request_cannot_refresh_a_session(edge: Rig) -> None:
    edge.answer = edge.hands_over()
    foreign = {"origin": SIBLING, "sec-fetch-site": "same-site"}
    got = edge.request("/", "POST", token=edge.expired(), body="", headers=foreign)
    assert got.status == 403
    assert not edge.calls


@pytest.mark.parametrize("cookie", [True, False])
def test_every_upgrade_needs_proof(edge: Rig, cookie: bool) -> None:  # noqa: FBT001
    token = edge.token() if cookie else None
    assert edge.request(token=token, headers=SOCKET).status == 403
    foreign = SOCKET | {"origin": SIBLING}
    assert edge.request(token=token, headers=foreign).status == 403
    own = SOCKET | {"origin": OWN}
    assert edge.request(token=token, headers=own).status == (200 if cookie else 401)


def test_below_a_wildcard_only_sec_fetch_proves_anything(edge: Rig) -> None:
    where = {"host": "a.wild.test", "token": edge.token(host="a.wild.test"), "body": ""}
    own = {"origin": "https://a.wild.test:8443"}
    assert edge.request("/", "POST", headers=own, **where).status == 403
    fetch = {"sec-fetch-site": "same-origin"}
    assert edge.request("/", "POST", headers=fetch, **where).status == 200
