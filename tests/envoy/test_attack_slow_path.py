"""Attacks on the slow path: whoever can reach Python must not be able to crowd the others out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from identity_rig import MODES, Rig, rig, site

from ostiary.policy.rules import Effect, Level, Rule

pytestmark = pytest.mark.envoy

STAFF = (Level("route notes", (Rule("staff", Effect.ALLOW, groups=("staff",)),)),)
MANY = 90
BURST = 60
REFILLED = 20


@pytest.fixture(params=MODES)
def edge(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    sites = [site("/", STAFF), site("/other", STAFF)]
    with rig(tmp_path_factory.mktemp("slow"), sites, mode=request.param) as made:
        yield made


def test_a_refused_visitor_who_hammers_is_turned_away_natively(edge: Rig) -> None:
    """On several routes and with several sessions it is still the same account."""
    tokens = [edge.token(sid=sid, sub="visitor", groups=[]) for sid in ("one", "two")]
    ways = [(path, token) for path in ("/", "/other") for token in tokens]
    asked = [ways[number % len(ways)] for number in range(MANY)]
    said = Counter(edge.request(path, token=token).status for path, token in asked)
    assert said[403] + said[429] == MANY
    assert said[429] > 0
    assert BURST <= len(edge.calls) <= BURST + REFILLED


def test_an_expired_token_replayed_by_the_hundred_is_turned_away_natively(edge: Rig) -> None:
    stale = edge.expired(sub="stolen")
    said = Counter(edge.request("/", token=stale).status for _ in range(MANY))
    assert said[429] > 0
    assert len(edge.calls) <= BURST + REFILLED
    again = edge.request("/", token=stale)
    assert again.status in {403, 429}
    before = len(edge.calls)
    edge.request("/", token=edge.expired(sub="somebody else"))
    assert len(edge.calls) == before + 1, "another account has its own turns"


def test_what_the_rules_allow_at_once_is_never_counted(edge: Rig) -> None:
    token = edge.token(sid="busy")
    assert {edge.request("/", token=token).status for _ in range(MANY)} == {200}
    assert not edge.calls
