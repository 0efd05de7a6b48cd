"""Routes come, change and go in a real Envoy, and nobody else's request notices."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from xds_harness import backend, control_plane, envoy, traffic
from xds_resources import (
    EDGE,
    a_cluster,
    a_filter,
    a_listener,
    a_scope,
    a_site,
    a_view,
    an_endpoint,
    revision,
)

pytestmark = pytest.mark.envoy


async def test_a_cold_proxy_serves_its_view_and_is_reported(tmp_path: Path) -> None:
    async with backend() as app, control_plane() as control:
        control.xds.publish(revision("first", a_view(*a_site(["one", "two"], app))))
        async with envoy(tmp_path, control.port) as proxy:
            port = await proxy.port()
            await proxy.until("one", port, 200)
            await proxy.until("two", port, 200)
            settled = await control.xds.settled("first", 2)
            assert settled.everywhere
            assert settled.done == (EDGE,)
            (status,) = control.xds.status()
            assert (status.connected, status.accepted, status.pending) == (1, "first", False)
            assert status.last_seen is not None
        assert control.told.accepted == [(EDGE, "first")]


async def test_an_empty_view_lets_the_proxy_start(tmp_path: Path) -> None:
    async with control_plane() as control:
        control.xds.publish(revision(1, a_view(bare=True)))
        async with envoy(tmp_path, control.port) as proxy:
            for _ in range(300):
                if (await proxy.admin("/ready")).text.strip() == "LIVE":
                    return
                await asyncio.sleep(0.01)
            pytest.fail("Envoy waits for a configuration that is empty")


async def test_a_new_route_serves_within_milliseconds(tmp_path: Path) -> None:
    async with backend() as app, control_plane() as control:
        control.xds.publish(revision(0, a_view(*a_site(["zero"], app))))
        async with envoy(tmp_path, control.port) as proxy:
            port = await proxy.port()
            await proxy.until("zero", port, 200)
            took = []
            async with traffic(proxy, port, "zero") as seen:
                names = ["zero"]
                for number in range(1, 21):
                    names.append(f"new-{number}")
                    assert (await proxy.get(names[-1], port)).status_code == 404
                    control.xds.publish(revision(number, a_view(*a_site(names, app))))
                    took.append(await proxy.until(names[-1], port, 200))
            assert not seen.bad
            assert sorted(took)[10] < 30  # milliseconds; about 4 on a quiet machine


async def test_a_removed_route_is_gone_before_its_cluster(tmp_path: Path) -> None:
    async with backend() as app, control_plane() as control:
        both = a_view(*a_site(["kept", "gone"], app))
        control.xds.publish(revision(1, both))
        async with envoy(tmp_path, control.port) as proxy:
            port = await proxy.port()
            await proxy.until("gone", port, 200)
            async with traffic(proxy, port, "kept", "gone", pause=0) as seen:
                control.xds.publish(revision(2, a_view(*a_site(["kept"], app))))
                await proxy.until("gone", port, 404)
                assert (await control.xds.settled("2", 2)).everywhere
            assert {(scope, status) for scope, status, _ in seen.bad} <= {("gone", 404)}
            assert "svc/gone" not in (await proxy.admin("/clusters")).text


async def test_a_route_moves_to_a_new_cluster_without_a_gap(tmp_path: Path) -> None:
    async with backend("a") as first, backend("b") as second, control_plane() as control:
        old = (a_scope("one", "svc/a"), a_cluster("svc/a"), an_endpoint("svc/a", first))
        new = (a_scope("one", "svc/b"), a_cluster("svc/b"), an_endpoint("svc/b", second))
        control.xds.publish(revision(0, a_view(*old)))
        async with envoy(tmp_path, control.port) as proxy:
            port = await proxy.port()
            await proxy.until("one", port, 200)
            async with traffic(proxy, port, "one", pause=0) as seen:
                for number in range(1, 11):
                    control.xds.publish(revision(number, a_view(*(new if number % 2 else old))))
                    assert (await control.xds.settled(str(number), 2)).everywhere
            assert not seen.bad
            assert (await proxy.get("one", port)).text == "a"


async def test_a_hundred_edits_give_no_wrong_answer(tmp_path: Path) -> None:
    async with backend() as app, control_plane() as control:

        def edited(number: int) -> None:
            scope = a_scope("edited", "svc/other", header=str(number))
            control.xds.publish(revision(number, a_view(*a_site(["other"], app), scope)))

        edited(0)
        async with envoy(tmp_path, control.port) as proxy:
            port = await proxy.port()
            await proxy.until("edited", port, 200)
            async with traffic(proxy, port, "edited", "other") as seen:
                for number in range(1, 101):
                    edited(number)
                    if number % 3:  # some revisions meet the one before in flight
                        assert (await control.xds.settled(str(number), 2)).everywhere
                        assert await proxy.version("edited", port) == str(number)
            assert not seen.bad
            versions = [int(version) for version in seen.versions["edited"]]
            assert versions == sorted(versions)
            assert versions[-1] == 100


async def test_a_second_listener_gets_scopes_and_filters(tmp_path: Path) -> None:
    async with backend() as app, control_plane() as control:
        control.xds.publish(revision(1, a_view(*a_site(["one"], app))))
        async with envoy(tmp_path, control.port) as proxy:
            await proxy.until("one", await proxy.port(), 200)
            control.xds.publish(revision(2, a_view(*a_site(["one"], app), a_listener("more"))))
            await proxy.until("one", await proxy.port("more"), 200)
            await proxy.until("one", await proxy.port(), 200)
            assert (await control.xds.settled("2", 2)).everywhere


async def test_a_revision_that_repeats_the_last_sends_nothing(tmp_path: Path) -> None:
    async with backend() as app, control_plane() as control:
        control.xds.publish(revision(1, a_view(*a_site(["one"], app))))
        async with envoy(tmp_path, control.port) as proxy:
            await proxy.until("one", await proxy.port(), 200)
            assert (await control.xds.settled("1", 2)).everywhere
            sent = control.xds.status()[0].sent
            control.xds.publish(revision(2, a_view(*a_site(["one"], app))))
            assert (await control.xds.settled("2", 2)).everywhere
            assert control.xds.status()[0].sent == sent


async def test_a_filter_slot_changes_for_running_routes(tmp_path: Path) -> None:
    from ostiary.protos.messages import rbac, rbac_filter  # noqa: PLC0415  only here

    nobody = rbac_filter.RBAC(rules=rbac.RBAC(action=rbac.RBAC.Action.ALLOW))
    async with backend() as app, control_plane() as control:
        site = a_site(["one"], app)
        control.xds.publish(revision(1, a_view(*site)))
        async with envoy(tmp_path, control.port) as proxy:
            port = await proxy.port()
            await proxy.until("one", port, 200)
            closed = a_view(*site, a_listener(), a_filter(nobody), bare=True)
            control.xds.publish(revision(2, closed))
            await proxy.until("one", port, 403)
            assert (await control.xds.settled("2", 2)).everywhere
