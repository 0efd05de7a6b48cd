"""A real Envoy that writes its decision log to a log service of ours, over mutual TLS."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx
from envoy_process import Envoy, free_port, run
from google.protobuf.message import Message

from ostiary.compiler.bootstrap import bootstrap as bootstrap_of
from ostiary.compiler.connections import fresh_request_id
from ostiary.compiler.logs import decision_log
from ostiary.compiler.world import CONTROL_CLUSTER
from ostiary.plan.record import DecisionRecord
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

ROUTE = "default/default/notes@0123456789abcdef"
CLAIMS: dict[str, object] = {
    "exp": 4_102_444_800,
    "sub": "editor",
    "email": "editor@example.com",
    "groups": ["editors"],
    "host": "notes.localhost",
    "assertion": "never-logged",
}


class ControlPlane:
    """The log service, which can go away and come back on the same port."""

    def __init__(self, writer: Writer, certificates: Certificates) -> None:
        self._writer = writer
        self._certificates = certificates
        self.port = 0

    async def start(self) -> None:
        """It answers."""
        self._server = grpc.aio.server()
        self._server.add_generic_rpc_handlers((handler(self._writer, {EDGE}.__contains__),))
        address = f"127.0.0.1:{self.port}"
        self.port = self._server.add_secure_port(address, self._certificates.server())
        await self._server.start()

    async def stop(self) -> None:
        """Nobody listens there."""
        await self._server.stop(0)


@dataclass
class Logged:
    """An Envoy, and the log that it writes to."""

    url: str
    envoy: Envoy
    decisions: Decisions
    writer: Writer
    control: ControlPlane
    dead: int
    """The port behind `/dead`, where nobody listens."""

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

    async def some(self) -> tuple[DecisionRecord, ...]:
        """All records, as soon as there are any."""
        for _ in range(500):
            if found := await asyncio.to_thread(self.decisions.recent, 20):
                return found
            await asyncio.sleep(0.02)
        raise AssertionError(f"nothing arrived; the log has {self.writer.counts()}")


@contextlib.asynccontextmanager
async def logging(
    folder: Path, claims: Mapping[str, object], credential: str = SESSION_KEY
) -> AsyncIterator[Logged]:
    """A proxy at which everybody has these claims, by metadata key."""
    database = Database.in_folder(folder)
    database.create()
    decisions = Decisions(database)
    writer = Writer(decisions, pause=0.01)
    writing = asyncio.create_task(writer.run())
    certificates = Certificates()
    control = ControlPlane(writer, certificates)
    await control.start()
    port, dead = free_port(), free_port()
    config = bootstrap.Bootstrap()
    config.node.id = EDGE
    config.static_resources.listeners.append(edge(port, claims, credential))
    config.static_resources.clusters.extend(
        [control_cluster(control.port, certificates), plain_cluster("dead", dead)]
    )
    try:
        with await asyncio.to_thread(contextlib.ExitStack) as stack:
            envoy = await asyncio.to_thread(stack.enter_context, run(config, folder))
            yield Logged(f"http://127.0.0.1:{port}", envoy, decisions, writer, control, dead)
    finally:
        await control.stop()
        writing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await writing
        database.close()


def edge(port: int, claims: Mapping[str, object], credential: str) -> listener.Listener:
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
        access_log=decision_log(credential),
        local_reply_config=refusals_carry(decision),
        route_config=route.RouteConfiguration(
            virtual_hosts=[route.VirtualHost(name="all", domains=["*"], routes=routes)],
            response_headers_to_add=[decision],
        ),
        http_filters=[
            hcm.HttpFilter(name="who", typed_config=pack(somebody(claims))),
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


def somebody(claims: Mapping[str, object]) -> Message:
    """What the jwt filter leaves behind, without a token."""
    made = message_class("envoy.extensions.filters.http.set_metadata.v3.Config")()
    entry = made.metadata.add()  # type: ignore[attr-defined]
    entry.metadata_namespace = JWT_METADATA
    entry.value.update(claims)
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
    real = bootstrap_of(EDGE, "test.ostiary", "control.sock", "admin.sock")
    made.circuit_breakers.CopyFrom(real.static_resources.clusters[0].circuit_breakers)
    made.transport_socket.name = "envoy.transport_sockets.tls"
    made.transport_socket.typed_config.CopyFrom(
        pack(tls.UpstreamTlsContext(common_tls_context=common))
    )
    name = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    made.typed_extension_protocol_options[name].CopyFrom(pack(http))
    return made


def ask_http2(url: str, method: bytes, path: bytes, authority: bytes) -> None:
    """One request by hand: no library would send it. Returns when Envoy has said something."""
    fields = ((b":method", method), (b":scheme", b"http"), (b":path", path))
    block = b"".join(
        b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value
        for name, value in (*fields, (b":authority", authority))
    )
    settings = b"\0\0\0\4\0\0\0\0\0"
    headers = len(block).to_bytes(3, "big") + b"\x01\x05\0\0\0\1" + block
    port = int(url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=1) as wire:
        wire.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings + headers)
        with contextlib.suppress(OSError):
            while wire.recv(4096):
                wire.settimeout(0.1)


def ask_http1(url: str, head: bytes) -> None:
    """These bytes; returns when Envoy has said something, and goes away."""
    port = int(url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=0.3) as wire:
        wire.sendall(head)
        with contextlib.suppress(OSError):
            wire.recv(4096)
