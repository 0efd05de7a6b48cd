"""A proxy that does not answer, or does not even read, delays nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc

from ostiary.compiler.resources import CLUSTER, Resource, Snapshot, View
from ostiary.protos.messages import discovery
from ostiary.xds.server import SERVICE, XdsServer

QUICK, SLOW = "spiffe://test/quick", "spiffe://test/slow"


def _peer(context: grpc.aio.ServicerContext) -> str:
    return str(dict(context.invocation_metadata())["who"])


def _snapshot(number: int, size: int = 10) -> Snapshot:
    body = Resource(CLUSTER, "c", str(number), b"x" * size)
    views = {who: View(who, {CLUSTER: {"c": body}}, frozenset()) for who in (QUICK, SLOW)}
    return Snapshot(str(number), views)


@asynccontextmanager
async def _running() -> AsyncIterator[tuple[XdsServer, int]]:
    xds = XdsServer(peer=_peer)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(xds.handlers())
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield xds, port
    finally:
        await server.stop(0)


@asynccontextmanager
async def _client(port: int, who: str) -> AsyncIterator[grpc.aio.StreamStreamCall]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.stream_stream(
            f"/{SERVICE}/DeltaAggregatedResources",
            request_serializer=discovery.DeltaDiscoveryRequest.SerializeToString,
            response_deserializer=discovery.DeltaDiscoveryResponse.FromString,
        )(metadata=(("who", who),))
        await call.write(discovery.DeltaDiscoveryRequest(type_url=CLUSTER))
        try:
            yield call
        finally:
            call.cancel()


async def _answer(call: grpc.aio.StreamStreamCall) -> str:
    frame = await asyncio.wait_for(call.read(), 2)
    await call.write(discovery.DeltaDiscoveryRequest(type_url=CLUSTER, response_nonce=frame.nonce))
    return str(frame.resources[0].version)


async def test_a_silent_proxy_is_named_and_delays_nobody() -> None:
    async with _running() as (xds, port):
        xds.publish(_snapshot(1))
        async with _client(port, QUICK) as quick, _client(port, SLOW) as slow:
            assert await _answer(quick) == "1"
            assert (await slow.read()).resources[0].version == "1"  # and no answer, ever
            for number in range(2, 22):
                xds.publish(_snapshot(number))
                assert await _answer(quick) == str(number)
            settled = await xds.settled("21", 0.2)
            assert (settled.done, settled.waiting) == ((QUICK,), (SLOW,))
            by_name = {status.proxy: status for status in xds.status()}
            assert (by_name[QUICK].accepted, by_name[QUICK].pending) == ("21", False)
            assert (by_name[SLOW].accepted, by_name[SLOW].pending) == (None, True)
            line = xds._proxies[SLOW].lines[0]
            assert len(line.stream._subscriptions[CLUSTER].flights) == 1


async def test_a_proxy_that_does_not_read_costs_one_message() -> None:
    async with _running() as (xds, port):
        xds.publish(_snapshot(1, 1 << 20))
        async with _client(port, QUICK) as quick, _client(port, SLOW) as slow:
            assert await _answer(quick) == "1"
            for number in range(2, 12):
                xds.publish(_snapshot(number, 1 << 20))
                assert await _answer(quick) == str(number)
            sent = {status.proxy: status.sent for status in xds.status()}
            assert sent[SLOW] < 2 << 20
            assert sent[QUICK] > 10 << 20
            await _answer(slow)
            assert await _answer(slow) == "11"  # the newest, none in between
            assert (await xds.settled("11", 2)).everywhere


async def test_an_older_revision_is_settled_by_a_newer_one() -> None:
    async with _running() as (xds, port):
        xds.publish(_snapshot(1))
        xds.publish(_snapshot(2))
        async with _client(port, QUICK) as quick:
            assert await _answer(quick) == "2"
            assert (await xds.settled("1", 2)).done == (QUICK,)
