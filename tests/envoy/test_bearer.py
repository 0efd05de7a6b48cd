"""Access tokens of another issuer at a real Envoy: the guard verifies, `login` is called once."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from joserfc.jwk import ECKey
from machine_rig import Rig, rig

pytestmark = pytest.mark.envoy


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One Envoy for all."""
    with rig(tmp_path_factory.mktemp("bearer")) as made:
        yield made


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"])
def test_a_token_opens_what_the_rules_allow_and_goes_no_further(site: Rig, alg: str) -> None:
    token = site.issuer.token(alg)
    answer = site.ask(token, "/notes")
    assert answer.status == 200, answer.body
    seen = answer.seen["headers"]
    assert "authorization" not in seen
    assert not [name for name in seen if "credential" in name or "handover" in name]
    assert seen["x-ostiary-assertion"]


def test_login_is_called_once_for_a_token(site: Rig) -> None:
    token = site.issuer.token(sub="busy")
    before = len(site.edge.calls)
    answers = [site.ask(token, "/notes") for _ in range(5)]
    assert {one.status for one in answers} == {200}
    assert len(site.edge.calls) == before + 1
    assertions = {one.seen["headers"]["x-ostiary-assertion"] for one in answers}
    assert len(assertions) == 1


def test_who_may_not_is_told_so_by_login(site: Rig) -> None:
    answer = site.ask(site.issuer.token(sub="guest", groups=["guests"]), "/notes")
    assert answer.status == 403
    assert "corp:guest" in answer.body


def test_without_a_credential_a_public_rule_lets_pass_and_no_other(site: Rig) -> None:
    assert site.ask(None, "/open/x").status == 200
    answer = site.ask(None, "/notes")
    assert answer.status == 401
    assert answer.header("www-authenticate") == "Bearer"
    assert "credential-missing" in answer.body


def test_an_invalid_credential_is_refused_even_where_none_is_needed(site: Rig) -> None:
    assert site.ask(site.issuer.token(aud="other"), "/open/x").status == 401


def test_a_session_cookie_counts_for_nothing_where_nobody_signs_in(site: Rig) -> None:
    assert site.edge.request("/notes", token=site.edge.token()).status == 401


def test_a_new_key_loses_no_request(site: Rig) -> None:
    site.issuer.keys["new"] = ECKey.generate_key("P-256", {"kid": "new"})
    site.issuer.publish()
    token = site.issuer.token(key=site.issuer.keys["new"], header={"kid": "new"})
    assert [site.ask(token, "/notes").status for _ in range(3)] == [200, 200, 200]


def test_a_token_is_over_when_it_says_so(site: Rig) -> None:
    token = site.issuer.token(exp=int(time.time()) - 3)  # within the skew of 5 s
    assert site.ask(token, "/notes").status == 200
    end = time.monotonic() + 20
    while (answer := site.ask(token, "/notes")).status == 200:
        assert time.monotonic() < end
        time.sleep(0.3)
    assert "token-expired" in answer.body


def test_the_first_credential_that_is_there_decides(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with rig(tmp_path_factory.mktemp("both"), login=True) as site:
        session = site.edge.token()
        assert site.edge.request("/notes", token=session).status == 200
        program = {"authorization": f"Bearer {site.issuer.token()}"}
        answer = site.edge.request("/notes", token=session, headers=program)
        assert answer.status == 200
        assert answer.seen["headers"]["x-ostiary-assertion"] != "the-assertion"
        bad = {"authorization": f"Bearer {site.issuer.token(aud='other')}"}
        assert site.edge.request("/notes", token=session, headers=bad).status == 401
        stranger = site.edge.request("/notes", headers={"sec-fetch-mode": "navigate"})
        assert stranger.status == 302
