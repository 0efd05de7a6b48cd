"""Every hostile token is refused at a real Envoy, for its own reason, while good ones pass."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hostile_tokens import HOSTILE
from machine_rig import Rig, rig

pytestmark = pytest.mark.envoy


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One Envoy for all."""
    with rig(tmp_path_factory.mktemp("hostile")) as made:
        yield made


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_token_opens_nothing(site: Rig, name: str) -> None:
    make, reason = HOSTILE[name]
    calls = len(site.edge.calls)
    answer = site.ask(make(site.issuer), "/notes")
    assert answer.status == 401
    said = json.loads(answer.body)
    assert (said["error"], said["reason"]) == ("invalid_token", reason)
    assert answer.header("www-authenticate").startswith("Bearer")
    # By another name each time: what one may ask of `login` is limited.
    assert site.ask(site.issuer.token(sub=name), "/notes").status == 200
    native = reason != "token-unknown-key"  # of those alone `login` is asked
    assert len(site.edge.calls) - calls == (1 if native else 2)


@pytest.mark.parametrize(
    "value", ["Basic YTpi", "Digest x", "Bearer", "bearer\tx", "DPoP x", "ostiary"]
)
def test_another_scheme_is_none(site: Rig, value: str) -> None:
    answer = site.edge.request("/notes", headers={"authorization": value})
    assert answer.status == 401
    assert "credential-scheme" in answer.body


def test_two_tokens_are_refused_even_if_one_is_good(site: Rig) -> None:
    good = f"Bearer {site.issuer.token()}"
    lines = [("authorization", good), ("authorization", "Bearer x")]
    answer = site.edge.request("/notes", headers=lines)
    assert answer.status == 400
    assert "credential-twice" in answer.body


def test_our_own_headers_are_taken_from_clients(site: Rig) -> None:
    token = site.issuer.token(sub="guest", groups=[])
    forged = [("x-ostiary-credential", f"bearer {site.issuer.token()}")]
    assert site.ask(token, "/notes", headers=forged).status == 403
