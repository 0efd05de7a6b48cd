"""Real parts for the xds tests: an Envoy, its control plane, a backend and small resources."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import httpx

from ostiary.compiler.resources import (
    CLUSTER,
    ENDPOINTS,
    FILTER,
    LISTENER,
    SCOPE,
    Resource,
    Snapshot,
    View,
    resource,
)
from ostiary.errors import Place
from ostiary.protos import pack
from ostiary.protos.descriptors import envoy_binary
from ostiary.protos.messages import (
    cluster,
    core,
    endpoint,
    hcm,
    listener,
    rbac_filter,
    route,
    router,
    wkt,
)
from ostiary.xds.server import XdsServer

EDGE = "spiffe://test/edge"
WHO = "x-proxy"
"""Metadata that stands for the peer's certificate where a test speaks plaintext."""
ADS = core.ConfigSource(ads=core.AggregatedConfigSource(), resource_api_version=core.ApiVersion.V3)
SLOT = "slot"
_HTTP = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def peer(context: grpc.aio.ServicerContext) -> str:
    return str(dict(context.invocation_metadata())[WHO])


# --- resources ---


def an_endpoint(name: str, port: int) -> Resource:
    where = core.Address(socket_address=core.SocketAddress(address="127.0.0.1", port_value=port))
    one = endpoint.LbEndpoint(endpoint=endpoint.Endpoint(address=where))
    group = endpoint.LocalityLbEndpoints(lb_endpoints=[one])
    return resource(
        ENDPOINTS, name, endpoint.ClusterLoadAssignment(cluster_name=name, endpoints=[group])
    )


def a_cluster(
    name: str, *, connect_seconds: int = 2, endpoints: core.ConfigSource | None = None
) -> Resource:
    made = cluster.Cluster(
        name=name,
        type=cluster.Cluster.DiscoveryType.EDS,
        eds_cluster_config=cluster.Cluster.EdsClusterConfig(eds_config=endpoints or ADS),
        connect_timeout=wkt.Duration(seconds=connect_seconds),
    )
    return resource(CLUSTER, name, made, Place("site.yaml", 3))


def a_scope(
    name: str, to: str, *, key: str = "", header: str = "", faulty: bool = False
) -> Resource:
    """Requests with `x-scope: <key>` go to cluster `to`; `faulty` makes Envoy refuse it."""
    one = route.Route(
        match=route.RouteMatch(prefix="/"),
        route=route.RouteAction(cluster=to),
    )
    if faulty:
        # Passes the field rules and fails in the route's constructor: no such regex.
        one.match.safe_regex.regex = "("
    if header:
        one.response_headers_to_add.add(header=core.HeaderValue(key="x-edit", value=header))
    table = route.RouteConfiguration(
        name=name,
        virtual_hosts=[route.VirtualHost(name=name, domains=["*"], routes=[one])],
    )
    fragment = route.ScopedRouteConfiguration.Key.Fragment(string_key=key or name)
    made = route.ScopedRouteConfiguration(
        name=name,
        key=route.ScopedRouteConfiguration.Key(fragments=[fragment]),
        route_configuration=table,
    )
    return resource(SCOPE, name, made, Place("site.yaml", 7))


def a_scope_of(name: str, to: str, paths: Mapping[str, str]) -> Resource:
    """A scope with a prefix route for each path, which adds `x-edit: <value>` to answers."""
    routes = [
        route.Route(
            name=f"route {path}",
            match=route.RouteMatch(prefix=path),
            route=route.RouteAction(cluster=to),
            response_headers_to_add=[
                core.HeaderValueOption(header=core.HeaderValue(key="x-edit", value=value))
            ],
        )
        for path, value in paths.items()
    ]
    made = route.ScopedRouteConfiguration.FromString(a_scope(name, to).body)
    del made.route_configuration.virtual_hosts[0].routes[:]
    made.route_configuration.virtual_hosts[0].routes.extend(routes)
    return resource(SCOPE, name, made, Place("site.yaml", 7))


def a_filter(rules: rbac_filter.RBAC | None = None) -> Resource:
    made = core.TypedExtensionConfig(name=SLOT, typed_config=pack(rules or rbac_filter.RBAC()))
    return resource(FILTER, SLOT, made)


def a_listener(name: str = "http", *, transport: core.TransportSocket | None = None) -> Resource:
    builder = hcm.ScopedRoutes.ScopeKeyBuilder
    extractor = builder.FragmentBuilder.HeaderValueExtractor(name="x-scope", index=0)
    slot = hcm.HttpFilter(
        name=SLOT,
        config_discovery=core.ExtensionConfigSource(
            config_source=ADS,
            type_urls=["type.googleapis.com/" + rbac_filter.RBAC.DESCRIPTOR.full_name],
        ),
    )
    manager = hcm.HttpConnectionManager(
        stat_prefix=name,
        scoped_routes=hcm.ScopedRoutes(
            name="scopes",
            scope_key_builder=builder(
                fragments=[builder.FragmentBuilder(header_value_extractor=extractor)]
            ),
            rds_config_source=ADS,
            scoped_rds=hcm.ScopedRds(scoped_rds_config_source=ADS),
        ),
        http_filters=[slot, hcm.HttpFilter(name="router", typed_config=pack(router.Router()))],
    )
    chain = listener.FilterChain(
        filters=[listener.Filter(name="http", typed_config=pack(manager))],
        transport_socket=transport,
    )
    where = core.Address(socket_address=core.SocketAddress(address="127.0.0.1", port_value=0))
    made = listener.Listener(name=name, address=where, filter_chains=[chain])
    return resource(LISTENER, name, made, Place("site.yaml", 1))


def a_view(
    *resources: Resource, proxy: str = EDGE, secrets: Iterable[str] = (), bare: bool = False
) -> View:
    """A view of `resources`, the listener `http` and its slot."""
    by_type: dict[str, dict[str, Resource]] = {}
    for made in (*resources, *(() if bare else (a_listener(), a_filter()))):
        by_type.setdefault(made.type_url, {})[made.name] = made
    return View(proxy, by_type, frozenset(secrets))


def a_site(names: Mapping[str, int] | Iterable[str], port: int = 0) -> tuple[Resource, ...]:
    """For each name a scope, its cluster and an endpoint on its port."""
    ports = names if isinstance(names, Mapping) else dict.fromkeys(names, port)
    return tuple(
        made
        for name, to in ports.items()
        for made in (
            a_scope(name, f"svc/{name}"),
            a_cluster(f"svc/{name}"),
            an_endpoint(f"svc/{name}", to),
        )
    )


def revision(number: int | str, *views: View) -> Snapshot:
    return Snapshot(str(number), {view.proxy: view for view in views})


# --- processes ---


@dataclass
class Told:
    """Remembers what the server reported."""

    accepted: list[tuple[str, str]] = field(default_factory=list)
    refusals: list[tuple[str, tuple[Resource, ...], str]] = field(default_factory=list)

    def acked(self, proxy: str, revision: str) -> None:
        self.accepted.append((proxy, revision))

    def refused(self, proxy: str, resources: tuple[Resource, ...], error: str) -> None:
        self.refusals.append((proxy, resources, error))


@dataclass
class Control:
    """A control plane on a port of the loopback interface."""

    xds: XdsServer
    told: Told
    port: int
    server: grpc.aio.Server


@asynccontextmanager
async def control_plane(
    port: int = 0, credentials: grpc.ServerCredentials | None = None, *, warm_limit: float = 2.0
) -> AsyncIterator[Control]:
    told = Told()
    if credentials:
        xds = XdsServer(told, warm_limit=warm_limit)
    else:
        xds = XdsServer(told, peer=peer, warm_limit=warm_limit)
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers(xds.handlers())
    address = f"127.0.0.1:{port}"
    bound = (
        server.add_secure_port(address, credentials)
        if credentials
        else server.add_insecure_port(address)
    )
    await server.start()
    try:
        yield Control(xds, told, bound, server)
    finally:
        await server.stop(0)


@asynccontextmanager
async def backend(answer: str = "ok", *, delay: float = 0.0) -> AsyncIterator[int]:
    """An HTTP/1.1 server that answers everything with `answer`."""
    body = answer.encode()
    reply = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                await asyncio.sleep(delay)
                writer.write(reply)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass
class Traffic:
    """What concurrent requests saw: every answer that was not 200 counts as bad."""

    good: int = 0
    bad: list[tuple[str, int, str]] = field(default_factory=list)
    versions: dict[str, list[str]] = field(default_factory=dict)
    """Scope -> its `x-edit` header, answer by answer, repetitions left out."""


@asynccontextmanager
async def traffic(
    proxy: Envoy, port: int, *scopes: str, pause: float = 0.002
) -> AsyncIterator[Traffic]:
    """Light requests to each of `scopes` for as long as the block runs."""
    seen = Traffic()

    async def ask(scope: str) -> None:
        versions = seen.versions.setdefault(scope, [])
        while True:
            answer = await proxy.get(scope, port)
            if answer.status_code == 200:
                seen.good += 1
            else:
                seen.bad.append((scope, answer.status_code, answer.text))
            version = answer.headers.get("x-edit", "")
            if versions[-1:] != [version]:
                versions.append(version)
            await asyncio.sleep(pause)

    tasks = [asyncio.create_task(ask(scope)) for scope in scopes]
    try:
        yield seen
        await asyncio.sleep(0.02)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Envoy:
    """A running Envoy."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self.folder = folder
        self.process = process
        self.http = httpx.AsyncClient(timeout=5)

    async def admin(self, path: str) -> httpx.Response:
        address = await self._admin_address()
        return await self.http.get(f"http://{address}{path}")

    async def _admin_address(self) -> str:
        file = self.folder / "admin"
        while not (file.exists() and file.read_text()):
            assert self.process.poll() is None, (self.folder / "log").read_text()[-3000:]
            await asyncio.sleep(0.01)
        return file.read_text()

    async def port(self, name: str = "http") -> int:
        """The port of a listener, once it serves."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            answer = await self.admin("/listeners?format=json")
            for status in answer.json().get("listener_statuses", ()):
                if status["name"] == name:
                    return int(status["local_address"]["socket_address"]["port_value"])
            await asyncio.sleep(0.01)
        raise AssertionError(f"no listener {name}: {(self.folder / 'log').read_text()[-3000:]}")

    async def get(self, scope: str, port: int, path: str = "/") -> httpx.Response:
        return await self.http.get(f"http://127.0.0.1:{port}{path}", headers={"x-scope": scope})

    async def until(self, scope: str, port: int, status: int, seconds: float = 5) -> float:
        """Milliseconds until `scope` answers `status`."""
        start = time.perf_counter()
        last = "nothing"
        while time.perf_counter() - start < seconds:
            try:
                answer = await self.get(scope, port)
            except httpx.ConnectError:  # bound, but no worker listens yet
                continue
            if answer.status_code == status:
                return (time.perf_counter() - start) * 1000
            last = f"{answer.status_code} {answer.text}"
        log = (self.folder / "log").read_text()[-3000:]
        raise AssertionError(f"{scope} still answers {last}\n{log}")

    async def version(self, scope: str, port: int) -> str:
        return (await self.get(scope, port)).headers.get("x-edit", "")


@asynccontextmanager
async def envoy(
    folder: Path, control: int, *, who: str = EDGE, tls: Mapping[str, object] | None = None
) -> AsyncIterator[Envoy]:
    """An Envoy that follows the control plane on port `control`."""
    process = _start(folder, _bootstrap(control, who, tls))
    running = Envoy(folder, process)
    try:
        yield running
    finally:
        await running.http.aclose()
        process.terminate()
        await asyncio.to_thread(process.wait)


def _start(folder: Path, bootstrap: dict[str, object]) -> subprocess.Popen[bytes]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bootstrap.json").write_text(json.dumps(bootstrap))
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [
                *(str(envoy_binary()), "-c", "bootstrap.json", "--disable-hot-restart"),
                *("--concurrency", "1", "--admin-address-path", "admin", "-l", "warning"),
                *("--drain-time-s", "1"),
            ],
            cwd=folder,
            stderr=log,
            stdout=log,
        )


def _bootstrap(control: int, who: str, tls: Mapping[str, object] | None) -> dict[str, object]:
    ads = {"ads": {}, "resource_api_version": "V3"}
    grpc_service = {
        "envoy_grpc": {"cluster_name": "control"},
        "initial_metadata": [{"key": WHO, "value": who}],
    }
    address = {"socket_address": {"address": "127.0.0.1", "port_value": control}}
    upstream: dict[str, object] = {
        "name": "control",
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": "control",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
        "typed_extension_protocol_options": {
            _HTTP: {
                "@type": f"type.googleapis.com/{_HTTP}",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
    }
    if tls:
        upstream["transport_socket"] = tls
    return {
        "node": {"id": "not-trusted", "cluster": "test"},
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        "dynamic_resources": {
            "ads_config": {
                "api_type": "DELTA_GRPC",
                "transport_api_version": "V3",
                "set_node_on_first_message_only": True,
                "grpc_services": [grpc_service],
            },
            "cds_config": ads,
            "lds_config": ads,
        },
        "static_resources": {"clusters": [upstream]},
    }
