"""A real Envoy streams its decision log to us: who, what and why arrive, soon, over mutual TLS."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx
import pytest
from envoy_process import Envoy, free_port, run

from ostiary.compiler.connections import fresh_request_id
from ostiary.compiler.logs import decision_log
from ostiary.compiler.world import CONTROL_CLUSTER
from ostiary.plan.native import Stage, read
from ostiary.plan.record import ALLOWS_LOG, DENIALS_LOG, DecisionRecord
from ostiary.protos import pack
from ostiary.protos.messages import (
    accesslog,
    bootstrap,
    cluster,
    core,
    endpoint,
    hcm,
    listener,
    matcher,
    rbac,
    rbac_filter,
    route,
    router,
    tls,
    upstreams_http,
    wkt,
)
from ostiary.protos.pool import message_class
from ostiary.signals import Writer, handler
from ostiary.store.database import Database
from ostiary.store.decisions import Decisions
from ostiary.wire import JWT_METADATA, SESSION_KEY

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "signals"))
from signals_entries import CONTROL_PLANE, EDGE, Certificates

pytestmark = pytest.mark.envoy
ROUTE = "default/default/notes@0123456789abcdef"
CLAIMS = {
    "sub": "editor",
    "email": "editor@example.com",
    "groups": ["editors"],
    "host": "notes.localhost",
    "assertion": "never-logged",
}


@dataclass
class Logged:
    """An Envoy, and the log that it writes to."""

    url: str
    envoy: Envoy
    decisions: Decisions
    writer: Writer

    async def ask(self, method: str, path: str) -> tuple[httpx.Response, str]:
        """The answer, and the decision id that it carries."""
        async with httpx.AsyncClient(base_url=self.url) as client:
            headers = {"host": "Notes.localhost:8443"}
            answer = await client.request(method, path, headers=headers)
        return answer, answer.headers["x-ostiary-decision"]

    async def find(self, decision: str) -> DecisionRecord:
        """The record of `decision`, as soon as it is there."""
        for _ in range(500):
            if found := await asyncio.to_thread(self.decisions.find, decision):
                (one,) = found
                return one
            await asyncio.sleep(0.02)
        raise AssertionError(f"{decision} never arrived; the log has {self.writer.counts()}")


@pytest.fixture
async def logged(tmp_path: Path) -> AsyncIterator[Logged]:
    database = Database.in_folder(tmp_path)
    database.create()
    decisions = Decisions(database)
    writer = Writer(decisions, pause=0.01)
    writing = asyncio.create_task(writer.run())
    certificates = Certificates()
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((handler(writer, {EDGE}.__contains__),))
    control = server.add_secure_port("127.0.0.1:0", certificates.server())
    await server.start()
    port = free_port()
    config = bootstrap.Bootstrap()
    config.node.id = EDGE
    config.static_resources.listeners.append(edge(port))
    config.static_resources.clusters.extend(
        [control_cluster(control, certificates), plain_cluster("dead", free_port())]
    )
    try:
        with await asyncio.to_thread(contextlib.ExitStack) as stack:
            envoy = await asyncio.to_thread(stack.enter_context, run(config, tmp_path))
            yield Logged(f"http://127.0.0.1:{port}", envoy, decisions, writer)
    finally:
        await server.stop(0)
        writing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await writing
        database.close()


def edge(port: int) -> listener.Listener:
    """Direct answers, a route to nowhere, a rule that wants POST, and somebody signed in."""
    answer = route.DirectResponseAction(status=200, body=core.DataSource(inline_string="hello"))
    routes = [
        route.Route(
            name=ROUTE,
            match=route.RouteMatch(prefix="/dead"),
            route=route.RouteAction(cluster="dead"),
        ),
        route.Route(name=ROUTE, match=route.RouteMatch(prefix="/"), direct_response=answer),
    ]
    decision = core.HeaderValueOption(
        header=core.HeaderValue(key="x-ostiary-decision", value="%REQ(X-REQUEST-ID)%"),
        append_action=core.HeaderValueOption.HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
    )
    connections = hcm.HttpConnectionManager(
        stat_prefix="edge",
        use_remote_address=wkt.BoolValue(value=True),
        request_id_extension=fresh_request_id(),
        access_log=decision_log(),
        local_reply_config=refusals_carry(decision),
        route_config=route.RouteConfiguration(
            virtual_hosts=[route.VirtualHost(name="all", domains=["*"], routes=routes)],
            response_headers_to_add=[decision],
        ),
        http_filters=[
            hcm.HttpFilter(name="who", typed_config=pack(somebody())),
            hcm.HttpFilter(name="may", typed_config=pack(no_delete())),
            hcm.HttpFilter(name="router", typed_config=pack(router.Router())),
        ],
    )
    chain = listener.FilterChain(
        filters=[
            listener.Filter(
                name="envoy.filters.network.http_connection_manager",
                typed_config=pack(connections),
            )
        ]
    )
    where = core.Address(socket_address=core.SocketAddress(address="127.0.0.1", port_value=port))
    return listener.Listener(name="edge", address=where, filter_chains=[chain])


def refusals_carry(decision: core.HeaderValueOption) -> hcm.LocalReplyConfig:
    """Envoy's own answers get the header too."""
    any_error = accesslog.ComparisonFilter(
        op=accesslog.ComparisonFilter.GE,
        value=core.RuntimeUInt32(default_value=400, runtime_key="test.any_error"),
    )
    mapper = hcm.ResponseMapper(
        filter=accesslog.AccessLogFilter(
            status_code_filter=accesslog.StatusCodeFilter(comparison=any_error)
        ),
        headers_to_add=[decision],
    )
    return hcm.LocalReplyConfig(mappers=[mapper])


def somebody() -> object:
    """What the jwt filter leaves behind, without a token."""
    made = message_class("envoy.extensions.filters.http.set_metadata.v3.Config")()
    entry = made.metadata.add()  # type: ignore[attr-defined]
    entry.metadata_namespace = JWT_METADATA
    entry.value.update({SESSION_KEY: CLAIMS})
    return made


def no_delete() -> rbac_filter.RBAC:
    """Refuses DELETE; asks the same in the shadow."""
    method = route.HeaderMatcher(
        name=":method", string_match=matcher.StringMatcher(exact="DELETE"), invert_match=True
    )
    policy = rbac.Policy(
        permissions=[rbac.Permission(header=method)], principals=[rbac.Principal(any=True)]
    )
    rules = rbac.RBAC(action=rbac.RBAC.ALLOW, policies={"access": policy})
    return rbac_filter.RBAC(rules=rules, shadow_rules=rules)


def plain_cluster(name: str, port: int) -> cluster.Cluster:
    """One address on this machine."""
    where = core.Address(socket_address=core.SocketAddress(address="127.0.0.1", port_value=port))
    one = endpoint.LbEndpoint(endpoint=endpoint.Endpoint(address=where))
    group = endpoint.LocalityLbEndpoints(lb_endpoints=[one])
    assignment = endpoint.ClusterLoadAssignment(cluster_name=name, endpoints=[group])
    return cluster.Cluster(name=name, type=cluster.Cluster.STATIC, load_assignment=assignment)


def control_cluster(port: int, certificates: Certificates) -> cluster.Cluster:
    """HTTP/2 and mutual TLS, as in the bootstrap of a proxy."""
    key, chain = certificates.pair(EDGE)
    san = tls.SubjectAltNameMatcher(
        san_type=tls.SubjectAltNameMatcher.URI, matcher=matcher.StringMatcher(exact=CONTROL_PLANE)
    )
    common = tls.CommonTlsContext(
        tls_certificates=[
            tls.TlsCertificate(
                certificate_chain=core.DataSource(inline_bytes=chain),
                private_key=core.DataSource(inline_bytes=key),
            )
        ],
        validation_context=tls.CertificateValidationContext(
            trusted_ca=core.DataSource(inline_bytes=certificates.bundle),
            match_typed_subject_alt_names=[san],
        ),
        alpn_protocols=["h2"],
        tls_params=tls.TlsParameters(
            tls_maximum_protocol_version=tls.TlsParameters.TlsProtocol.TLSv1_3
        ),
    )
    http = upstreams_http.HttpProtocolOptions(
        explicit_http_config=upstreams_http.HttpProtocolOptions.ExplicitHttpConfig(
            http2_protocol_options=core.Http2ProtocolOptions()
        )
    )
    made = plain_cluster(CONTROL_CLUSTER, port)
    made.transport_socket.name = "envoy.transport_sockets.tls"
    made.transport_socket.typed_config.CopyFrom(
        pack(tls.UpstreamTlsContext(common_tls_context=common))
    )
    name = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    made.typed_extension_protocol_options[name].CopyFrom(pack(http))
    return made


async def test_an_allowed_request_is_told_with_all_that_mattered(logged: Logged) -> None:
    answer, decision = await logged.ask("GET", "/notes/1?token=secret")
    assert answer.status_code == 200
    record = await logged.find(decision)
    assert record._replace(time=0.0, duration=0.0) == DecisionRecord(
        id=decision,
        time=0.0,
        proxy=EDGE,
        log=ALLOWS_LOG,
        route="default/default/notes",
        policy="0123456789abcdef",
        host="notes.localhost",
        method="GET",
        path="/notes/1",
        code=200,
        details="direct_response",
        flags="",
        credential="session",
        subject="editor",
        email="editor@example.com",
        groups=("editors",),
        session_host="notes.localhost",
        sid="",
        group_set="",
        shadow="allowed",
        peer="",
        client="127.0.0.1",
        duration=0.0,
        upstream="",
        failure="",
        offline=False,
    )
    assert record.time > 1_700_000_000
    assert 0 < record.duration < 5


async def test_a_refusal_is_in_the_log_that_is_never_sampled(logged: Logged) -> None:
    answer, decision = await logged.ask("DELETE", "/notes/1")
    assert answer.status_code == 403
    record = await logged.find(decision)
    assert (record.log, record.method, record.shadow) == (DENIALS_LOG, "DELETE", "denied")
    assert read(record).stage is Stage.RULES


async def test_a_dead_upstream_is_a_failure_of_the_way(logged: Logged) -> None:
    answer, decision = await logged.ask("GET", "/dead")
    assert answer.status_code == 503
    record = await logged.find(decision)
    assert (record.log, record.upstream) == (DENIALS_LOG, "dead")
    assert "upstream_connection_failure" in record.flags
    assert read(record).stage is Stage.UPSTREAM


async def test_many_requests_all_arrive(logged: Logged) -> None:
    decisions = [(await logged.ask("GET", f"/{one}"))[1] for one in range(50)]
    assert len({(await logged.find(one)).id for one in decisions}) == 50
    counts = logged.writer.counts()
    assert (counts.dropped, counts.refused_streams) == (0, 0)
