"""Limits on a real Envoy: native buckets per address and per user, 429 in words."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from identity_rig import MODES, Rig, rig, site

from ostiary.features.limits import Limit, Limits
from ostiary.policy.rules import Effect, Level, Rule

pytestmark = pytest.mark.envoy

ANYONE = Level("route notes", (Rule("known", Effect.ALLOW),))
PUBLIC = Level("route open", (Rule("all", Effect.ALLOW, public=True),))


def _limits(*limits: Limit) -> dict[str, Limits]:
    return {"limits": Limits(limits=limits)}


@pytest.fixture(scope="module", params=MODES)
def edge(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    sites = [
        site("/user", (ANYONE,), blocks=_limits(Limit(rate="2/h", per="user"))),
        site("/address", (PUBLIC,), sign_in=None, blocks=_limits(Limit(rate="3/h"))),
        site("/burst", (PUBLIC,), sign_in=None, blocks=_limits(Limit(rate="1/h", burst=4))),
        site(
            "/both", (PUBLIC,), sign_in=None, blocks=_limits(Limit(rate="9/h"), Limit(rate="2/h"))
        ),
        site("/shed", (ANYONE,), blocks=_limits(Limit(rate="1/h"))),
        site("/fast", (PUBLIC,), sign_in=None, blocks=_limits(Limit(rate="20/s", burst=1))),
        site("/grpc", (PUBLIC,), sign_in=None, blocks=_limits(Limit(rate="1/h"))),
    ]
    with rig(tmp_path_factory.mktemp("limits"), sites, mode=request.param) as made:
        yield made


def test_each_user_has_a_bucket_of_their_own(edge: Rig) -> None:
    ann = [edge.request("/user", token=edge.token(sub="ann")).status for _ in range(4)]
    bob = [edge.request("/user", token=edge.token(sub="bob")).status for _ in range(3)]
    assert ann == [200, 200, 429, 429]
    assert bob == [200, 200, 429]


def test_an_address_has_a_bucket_and_is_told_when_to_come_back(edge: Rig) -> None:
    assert [edge.request("/address").status for _ in range(3)] == [200] * 3
    got = edge.request("/address")
    assert got.status == 429
    assert int(got.header("retry-after")) > 0
    assert "Retry-After says when" in got.body
    assert got.header("x-ostiary-decision") in got.body


def test_a_burst_is_a_bucket_deeper_than_the_rate(edge: Rig) -> None:
    assert [edge.request("/burst").status for _ in range(5)] == [200] * 4 + [429]


def test_every_limit_holds(edge: Rig) -> None:
    assert [edge.request("/both").status for _ in range(3)] == [200, 200, 429]


def test_an_address_is_counted_before_anybody_looks_at_the_credential(edge: Rig) -> None:
    assert [edge.request("/shed").status for _ in range(3)] == [401, 429, 429]
    assert not edge.calls


def test_a_bucket_refills_steadily(edge: Rig) -> None:
    assert edge.request("/fast").status == 200
    end = time.monotonic() + 5
    while edge.request("/fast").status != 200:
        assert time.monotonic() < end
        time.sleep(0.02)


def test_grpc_clients_get_resource_exhausted(edge: Rig) -> None:
    grpc = {"content-type": "application/grpc", "te": "trailers"}
    edge.request("/grpc", "POST", body="", headers=grpc)
    got = edge.request("/grpc", "POST", body="", headers=grpc)
    assert (got.status, got.header("grpc-status")) == (200, "8")
