"""What Envoy refuses is found, closed and told; everything else goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
from xds_harness import backend, control_plane, envoy, traffic
from xds_resources import EDGE, a_cluster, a_scope, a_scope_of, a_site, a_view, revision

from ostiary.compiler.resources import CLUSTER, SCOPE
from ostiary.errors import CompileError, Place

pytestmark = pytest.mark.envoy


async def test_one_bad_scope_is_closed_and_the_others_apply(tmp_path: Path) -> None:
    names = [f"s{number}" for number in range(20)]
    async with backend() as app, control_plane() as control:
        site = a_site(names, app)
        control.xds.publish(revision(1, a_view(*site)))
        async with envoy(tmp_path, control.port) as proxy:
            port = await proxy.port()
            await proxy.until("s19", port, 200)
            edits = [a_scope(name, f"svc/{name}", header="new") for name in names]
            edits[7] = a_scope("s7", "svc/s7", faulty=True)
            edits[13] = a_scope("s13", "svc/s13", faulty=True)
            async with traffic(proxy, port, "s0", "s8") as seen:
                control.xds.publish(revision(2, a_view(*site, *edits)))
                settled = await control.xds.settled("2", 3)
            assert not seen.bad
            assert not settled.waiting
            assert not settled.everywhere
            for name in set(names) - {"s7", "s13"}:
                assert await proxy.version(name, port) == "new"
            for name in ("s7", "s13"):
                answer = await proxy.get(name, port)
                assert answer.status_code == 403
                assert "refused its configuration" in answer.text
        told = [(who, made.name, made.place) for who, (made,), _ in control.told.refusals]
        assert sorted(told) == [
            (EDGE, "s13", Place("site.yaml", 7)),
            (EDGE, "s7", Place("site.yaml", 7)),
        ]
        assert all("missing )" in error for _, _, error in control.told.refusals)
        (status,) = control.xds.status()
        assert {refusal.resource.name for refusal in status.refused} == {"s7", "s13"}
        assert control.told.accepted[-1] == (EDGE, "2")


async def test_only_the_route_at_fault_is_closed(tmp_path: Path) -> None:
    async with backend() as app, control_plane() as control:
        site = a_site(["one"], app)
        paths = {"/a": "ok", "/b": "ok", "/x": "%NOPE(", "/c": "ok", "/": "rest"}
        control.xds.publish(revision(1, a_view(*site, a_scope_of("many", "svc/one", paths))))
        async with envoy(tmp_path, control.port) as proxy:
            port = await proxy.port()
            await proxy.until("one", port, 200)
            settled = await control.xds.settled("1", 3)
            assert not settled.waiting
            answers = {path: (await proxy.get("many", port, path)).status_code for path in paths}
            assert answers == {"/a": 200, "/b": 200, "/x": 403, "/c": 200, "/": 200}
            assert (await proxy.get("many", port, "/x/deeper")).status_code == 403
        ((who, (refused,), error),) = control.told.refusals
        assert (who, refused.name) == (EDGE, "many")
        assert error.endswith("(closed: route /x)")


async def test_a_refused_scope_opens_again_when_it_is_mended(tmp_path: Path) -> None:
    async with backend() as app, control_plane() as control:
        site = a_site(["one", "two"], app)
        bad = a_scope("one", "svc/one", faulty=True)
        control.xds.publish(revision(1, a_view(*site, bad)))
        async with envoy(tmp_path, control.port) as proxy:
            port = await proxy.port()
            await proxy.until("two", port, 200)
            await proxy.until("one", port, 403)
            control.xds.publish(revision(2, a_view(*site, bad, *a_site(["three"], app))))
            await proxy.until("three", port, 200)
            assert len(control.told.refusals) == 1  # not asked twice
            control.xds.publish(revision(3, a_view(*site)))
            await proxy.until("one", port, 200)
            assert (await control.xds.settled("3", 2)).everywhere
            assert control.xds.status()[0].refused == ()


async def test_a_refused_cluster_keeps_what_it_was(tmp_path: Path) -> None:
    async with backend() as app, control_plane() as control:
        site = a_site(["one", "two"], app)
        control.xds.publish(revision(1, a_view(*site)))
        async with envoy(tmp_path, control.port) as proxy:
            port = await proxy.port()
            await proxy.until("one", port, 200)
            bad = a_cluster("svc/one", connect_seconds=-1)
            async with traffic(proxy, port, "one", "two") as seen:
                control.xds.publish(revision(2, a_view(*site, bad, *a_site(["three"], app))))
                await proxy.until("three", port, 200)
                settled = await control.xds.settled("2", 2)
            assert not seen.bad
            assert [refusal.resource for refusal in settled.refused] == [bad]
            served = control.xds.served(EDGE)
            assert served is not None
            assert served.resources[CLUSTER]["svc/one"] == a_cluster("svc/one")


async def test_a_duplicate_scope_key_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    async with backend() as app, control_plane() as control:
        site = a_site(["one"], app)
        control.xds.publish(revision(1, a_view(*site)))
        async with envoy(tmp_path, control.port) as proxy:
            port = await proxy.port()
            await proxy.until("one", port, 200)
            thief = a_scope("thief", "svc/one", key="one")
            with pytest.raises(CompileError, match=r"one \(site.yaml:7:1\) and thief"):
                control.xds.publish(revision(2, a_view(*site, thief)))
            assert (await control.xds.settled("1", 2)).everywhere
            assert (await proxy.get("one", port)).status_code == 200
            served = control.xds.served(EDGE)
            assert served is not None
            assert set(served.resources[SCOPE]) == {"one"}


async def test_a_scope_takes_over_the_key_of_a_removed_one(tmp_path: Path) -> None:
    async with backend() as app, control_plane() as control:
        cluster, endpoint = a_site(["one"], app)[1:]
        old = a_view(a_scope("old", "svc/one", key="k"), cluster, endpoint)
        new = a_view(a_scope("new", "svc/one", key="k"), cluster, endpoint)
        control.xds.publish(revision(1, old))
        async with envoy(tmp_path, control.port) as proxy:
            port = await proxy.port()
            await proxy.until("k", port, 200)
            control.xds.publish(revision(2, new))
            assert (await control.xds.settled("2", 2)).everywhere
            await proxy.until("k", port, 200)
