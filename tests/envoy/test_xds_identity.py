"""The certificate decides what a proxy is shown, and nothing it says about itself."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import pytest
from xds_certificates import Authority, Pair
from xds_harness import backend, control_plane, envoy
from xds_resources import EDGE, a_site, a_view, revision

from ostiary.compiler.resources import CLUSTER
from ostiary.protos.messages import discovery
from ostiary.xds.server import SERVICE

pytestmark = pytest.mark.envoy
OTHER = "spiffe://test/other"


def _server(authority: Authority) -> grpc.ServerCredentials:
    own = authority.issue("spiffe://test/ostiary/control-plane")
    return grpc.ssl_server_credentials(
        [(own.key, own.certificate)], authority.pem, require_client_auth=True
    )


async def _ask(authority: Authority, pair: Pair, port: int) -> discovery.DeltaDiscoveryResponse:
    credentials = grpc.ssl_channel_credentials(authority.pem, pair.key, pair.certificate)
    async with grpc.aio.secure_channel(f"localhost:{port}", credentials) as channel:
        call = channel.stream_stream(
            f"/{SERVICE}/DeltaAggregatedResources",
            request_serializer=discovery.DeltaDiscoveryRequest.SerializeToString,
            response_deserializer=discovery.DeltaDiscoveryResponse.FromString,
        )()
        await call.write(discovery.DeltaDiscoveryRequest(type_url=CLUSTER))
        answer = await call.read()
        call.cancel()
        return answer


async def test_each_id_sees_its_own_view_only() -> None:
    authority = Authority()
    async with control_plane(credentials=_server(authority)) as control:
        ours, theirs = a_view(*a_site(["ours"])), a_view(*a_site(["theirs"]), proxy=OTHER)
        control.xds.publish(revision(1, ours, theirs))
        answer = await _ask(authority, authority.issue(EDGE), control.port)
        assert [made.name for made in answer.resources] == ["svc/ours"]
        answer = await _ask(authority, authority.issue(OTHER), control.port)
        assert [made.name for made in answer.resources] == ["svc/theirs"]


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        (("spiffe://test/stranger",), "spiffe://test/stranger has no configuration"),
        ((), "no SPIFFE ids where exactly one"),
        ((EDGE, OTHER), "2 SPIFFE ids where exactly one"),
    ],
)
async def test_who_has_no_view_is_told_so(ids: tuple[str, ...], words: str) -> None:
    authority = Authority()
    async with control_plane(credentials=_server(authority)) as control:
        control.xds.publish(revision(1, a_view(*a_site(["ours"]))))
        for _ in range(5):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await _ask(authority, authority.issue(*ids), control.port)
            # The client says "internal" where the refusal came before it had asked.
            if caught.value.code() is not grpc.StatusCode.INTERNAL:
                break
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
        assert words in caught.value.details()


async def test_an_envoy_with_its_certificate_is_served(tmp_path: Path) -> None:
    authority = Authority()
    pair = authority.issue(EDGE)
    async with backend() as app, control_plane(credentials=_server(authority)) as control:
        control.xds.publish(revision(1, a_view(*a_site(["one"], app))))
        async with envoy(tmp_path, control.port, tls=_upstream(authority, pair)) as proxy:
            await proxy.until("one", await proxy.port(), 200)


async def test_a_proxy_that_comes_before_the_first_revision_waits(tmp_path: Path) -> None:
    async with backend() as app, control_plane() as control, envoy(tmp_path, control.port) as proxy:
        await asyncio.sleep(0.3)
        control.xds.publish(revision(1, a_view(*a_site(["one"], app))))
        await proxy.until("one", await proxy.port(), 200)


def _upstream(authority: Authority, pair: Pair) -> dict[str, object]:
    name = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
    certificate = {
        "certificate_chain": {"inline_string": pair.certificate.decode()},
        "private_key": {"inline_string": pair.key.decode()},
    }
    return {
        "name": "tls",
        "typed_config": {
            "@type": f"type.googleapis.com/{name}",
            "common_tls_context": {
                "tls_params": {"tls_maximum_protocol_version": "TLSv1_3"},
                "tls_certificates": [certificate],
                "validation_context": {"trusted_ca": {"inline_string": authority.pem.decode()}},
            },
        },
    }
