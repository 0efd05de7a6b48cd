"""The control plane goes and comes back; a running Envoy is sent only what it lacks."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import pytest
from xds_harness import Control, backend, control_plane, envoy, peer, traffic
from xds_resources import EDGE, a_scope, a_site, a_view, revision

from ostiary.xds import archive
from ostiary.xds.server import XdsServer

pytestmark = pytest.mark.envoy
NAMES = [f"s{number}" for number in range(50)]


async def test_a_restarted_control_plane_resends_nothing(tmp_path: Path) -> None:
    async with backend() as app:
        view = a_view(*a_site(NAMES, app))
        async with control_plane() as control:
            control.xds.publish(revision(1, view))
            running = envoy(tmp_path, control.port)
            proxy = await running.__aenter__()
            port = await proxy.port()
            await proxy.until("s49", port, 200)
            assert (await control.xds.settled("1", 2)).everywhere
            first = control.xds.status()[0].sent
        try:
            async with traffic(proxy, port, "s0", "s49") as seen:
                async with control_plane(control.port) as again:
                    again.xds.publish(revision("other process", view))
                    await _connected(again)
                    assert (await again.xds.settled("other process", 5)).everywhere
                    sent = again.xds.status()[0].sent
                assert seen.good
            assert not seen.bad
            assert first > 10_000
            assert sent < 1_000
        finally:
            await running.__aexit__(None, None, None)


async def test_what_changed_meanwhile_comes_and_goes_in_order(tmp_path: Path) -> None:
    async with backend() as app:
        async with control_plane() as control:
            control.xds.publish(revision(1, a_view(*a_site(["kept", "gone"], app))))
            running = envoy(tmp_path, control.port)
            proxy = await running.__aenter__()
            port = await proxy.port()
            await proxy.until("kept", port, 200)
            assert (await control.xds.settled("1", 2)).everywhere
        try:
            async with traffic(proxy, port, "kept") as seen, control_plane(control.port) as again:
                moved = a_scope("kept", "svc/new", header="moved")
                view = a_view(*a_site(["kept", "new"], app), moved)
                again.xds.publish(revision(2, view))
                await proxy.until("new", port, 200)
                assert (await again.xds.settled("2", 5)).everywhere
                assert await proxy.version("kept", port) == "moved"
                assert (await proxy.get("gone", port)).status_code == 404
                assert "svc/gone" not in (await proxy.admin("/clusters")).text
            assert not seen.bad
        finally:
            await running.__aexit__(None, None, None)


async def test_an_archived_view_serves_again(tmp_path: Path) -> None:
    async with backend() as app:
        saved = archive.to_bytes(a_view(*a_site(["one"], app)))
        server = grpc.aio.server()
        xds = XdsServer(peer=peer)
        xds.publish(revision("saved", archive.from_bytes(saved)))
        server.add_generic_rpc_handlers(xds.handlers())
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            async with envoy(tmp_path, port) as proxy:
                await proxy.until("one", await proxy.port(), 200)
                assert (await xds.settled("saved", 2)).done == (EDGE,)
        finally:
            await server.stop(0)


async def test_a_view_that_ends_closes_the_stream(tmp_path: Path) -> None:
    async with control_plane() as control:
        control.xds.publish(revision(1, a_view()))
        async with envoy(tmp_path, control.port) as proxy:
            await proxy.port()
            control.xds.publish(revision(2))
            for _ in range(100):
                stats = (await proxy.admin("/stats?filter=control_plane.connected")).text
                if "control_plane.connected_state: 0" in stats:
                    return
            pytest.fail("the stream stays open for a proxy without a view")


async def _connected(control: Control) -> None:
    for _ in range(1000):
        if any(status.connected for status in control.xds.status()):
            return
        await asyncio.sleep(0.01)
    pytest.fail("Envoy does not come back")
