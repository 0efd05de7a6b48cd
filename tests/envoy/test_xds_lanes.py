"""Endpoints and secrets reach a real Envoy without a revision."""

from __future__ import annotations

import asyncio
import ssl
import time
from pathlib import Path

import pytest
from xds_certificates import Authority, Pair
from xds_harness import backend, control_plane, envoy, traffic
from xds_resources import (
    ADS,
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

from ostiary.compiler.resources import SECRET, Resource, View, resource
from ostiary.protos import pack
from ostiary.protos.messages import core, tls

pytestmark = pytest.mark.envoy


async def test_new_endpoints_need_no_revision(tmp_path: Path) -> None:
    async with backend("a") as first, backend("b") as second, control_plane() as control:
        control.xds.publish(revision(1, a_view(*a_site(["one"], first))))
        async with envoy(tmp_path, control.port) as proxy:
            port = await proxy.port()
            await proxy.until("one", port, 200)
            async with traffic(proxy, port, "one", pause=0) as seen:
                control.xds.publish_endpoints(EDGE, an_endpoint("svc/one", second))
                start = time.perf_counter()
                while (await proxy.get("one", port)).text != "b":
                    assert time.perf_counter() - start < 1
            assert not seen.bad
            # An unrelated revision leaves them; one that changes them wins.
            control.xds.publish(revision(2, a_view(*a_site({"one": first, "two": first}))))
            assert (await control.xds.settled("2", 2)).everywhere
            assert (await proxy.get("one", port)).text == "b"
            control.xds.publish(revision(3, a_view(*a_site({"one": 1, "two": first}))))
            await proxy.until("one", port, 503)


async def test_a_live_cluster_changes_without_waiting_for_endpoints(tmp_path: Path) -> None:
    async with backend() as app, control_plane() as control:
        control.xds.publish(revision(1, a_view(*a_site(["one"], app))))
        async with envoy(tmp_path, control.port) as proxy:
            port = await proxy.port()
            await proxy.until("one", port, 200)
            async with traffic(proxy, port, "one", pause=0) as seen:
                start = time.perf_counter()
                slower = a_cluster("svc/one", connect_seconds=7)
                control.xds.publish(revision(2, a_view(*a_site(["one"], app), slower)))
                assert (await control.xds.settled("2", 20)).everywhere
                assert time.perf_counter() - start < 1  # Envoy alone would wait 15 s
            assert not seen.bad
            assert control.xds.status()[0].late == ()


async def test_a_cluster_that_never_warms_delays_others_by_the_limit(tmp_path: Path) -> None:
    async with backend() as app, control_plane(warm_limit=0.3) as control:
        site = a_site(["one"], app)
        control.xds.publish(revision(1, a_view(*site)))
        async with envoy(tmp_path, control.port) as proxy:
            port = await proxy.port()
            await proxy.until("one", port, 200)
            stuck = a_cluster("stuck", endpoints=_nowhere())
            control.xds.publish(revision(2, a_view(*site, stuck, a_scope("two", "svc/one"))))
            assert await proxy.until("two", port, 200) >= 250
            (status,) = control.xds.status()
            assert status.late == ("stuck",)
            assert status.pending
            settled = await control.xds.settled("2", 0.1)
            assert settled.waiting == (EDGE,)


def _nowhere() -> core.ConfigSource:
    """A source of endpoints that never answers: its service is not offered."""
    service = core.GrpcService(envoy_grpc=core.GrpcService.EnvoyGrpc(cluster_name="control"))
    source = core.ApiConfigSource(
        api_type=core.ApiConfigSource.ApiType.DELTA_GRPC,
        transport_api_version=core.ApiVersion.V3,
        grpc_services=[service],
    )
    return core.ConfigSource(api_config_source=source, resource_api_version=core.ApiVersion.V3)


def _secret(name: str, pair: Pair) -> Resource:
    made = tls.Secret(
        name=name,
        tls_certificate=tls.TlsCertificate(
            certificate_chain=core.DataSource(inline_bytes=pair.certificate),
            private_key=core.DataSource(inline_bytes=pair.key),
        ),
    )
    return resource(SECRET, name, made)


def _serving(*names: str) -> core.TransportSocket:
    wanted = [tls.SdsSecretConfig(name=name, sds_config=ADS) for name in names]
    context = tls.DownstreamTlsContext(
        common_tls_context=tls.CommonTlsContext(tls_certificate_sds_secret_configs=wanted)
    )
    return core.TransportSocket(name="tls", typed_config=pack(context))


def _tls_view(*site: Resource, secrets: tuple[str, ...], asks: str) -> View:
    made = (a_listener(transport=_serving(asks)), a_filter())
    return a_view(*site, *made, bare=True, secrets=secrets)


async def _certificate(port: int) -> bytes:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    found: ssl.SSLObject = writer.get_extra_info("ssl_object")
    der = found.getpeercert(binary_form=True)
    writer.close()
    assert der
    return ssl.DER_cert_to_PEM_cert(der).encode()


async def test_a_rotated_certificate_is_served_at_once(tmp_path: Path) -> None:
    authority = Authority()
    old, new = authority.issue(name="old"), authority.issue(name="new")
    async with backend() as app, control_plane() as control:
        control.xds.publish_secrets(EDGE, {"cert": _secret("cert", old)})
        view = _tls_view(*a_site(["one"], app), secrets=("cert",), asks="cert")
        control.xds.publish(revision(1, view))
        async with envoy(tmp_path, control.port) as proxy:
            port = await proxy.port()
            assert (await control.xds.settled("1", 2)).everywhere
            assert await _until_certificate(port) == old.certificate
            sent = control.xds.status()[0].sent
            control.xds.publish_secrets(EDGE, {"cert": _secret("cert", new)})
            assert await _until_certificate(port, not_=old.certificate) == new.certificate
            assert control.xds.status()[0].sent - sent < 2000


async def _until_certificate(port: int, *, not_: bytes = b"") -> bytes:
    for _ in range(300):
        try:
            found = await _certificate(port)
        except ConnectionError:
            found = not_
        if found != not_:
            return found
        await asyncio.sleep(0.01)
    raise AssertionError("the certificate did not change")


async def test_a_secret_outside_of_the_view_is_answered_with_no(tmp_path: Path) -> None:
    other = _secret("theirs", Authority().issue())
    async with backend() as app, control_plane() as control:
        control.xds.publish_secrets(EDGE, {"theirs": other})
        view = _tls_view(*a_site(["one"], app), secrets=("ours",), asks="theirs")
        control.xds.publish(revision(1, view))
        async with envoy(tmp_path, control.port) as proxy:
            stats = ""
            for _ in range(300):
                stats = (await proxy.admin("/stats?filter=sds")).text
                if "theirs.update_attempt: 2" in stats:
                    break
                await asyncio.sleep(0.01)
            assert "theirs.update_attempt: 2" in stats  # it asked, and it was answered
            assert (await proxy.admin("/certs")).json().get("certificates", []) == []
