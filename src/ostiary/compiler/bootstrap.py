"""What one Envoy is started with: who it is, where its one stream goes, what it may hold.

Everything else comes over that stream. Fed by the proxy's agent; feeds Envoy's `-c`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ostiary.certs import spiffe
from ostiary.compiler.clusters import http2, mutual_tls, socket_address
from ostiary.compiler.fetch import ads, seconds
from ostiary.compiler.world import CONTROL_CLUSTER, Address
from ostiary.features.roles import Role, filling
from ostiary.protos import pack
from ostiary.protos.messages import (
    bootstrap as messages,
)
from ostiary.protos.messages import (
    cluster,
    core,
    downstream_connections,
    endpoint,
    hcm,
    listener,
    matcher,
    metrics,
    overload,
    route,
    router,
    wkt,
)

MAX_CONNECTIONS: Final = 50_000
"""Client connections of one proxy; more are closed at once, before they cost memory."""
KEPT_MESSAGES: Final = 512
"""Messages of the decision log that wait for a control plane that is away; of 64 KiB at most."""
_REGEX_SIZE: Final = 1_000
"""Instructions of one compiled expression; Envoy's own limit of 100 is too small for UTF-8."""
_KEPT_PREFIXES: Final = (
    "cluster_manager.",
    "control_plane.",
    "http.",
    "listener_manager.",
    "overload.",
    "server.",
)
_KEPT_SUFFIXES: Final = (
    ".downstream_cx_active",
    ".downstream_cx_total",
    ".ssl.connection_error",
    ".ssl.handshake",
    ".upstream_cx_connect_fail",
    ".upstream_rq_5xx",
    ".upstream_rq_pending_overflow",
    ".upstream_rq_total",
)
"""Statistics that are kept; without pruning a cluster costs twice the memory."""


@dataclass(frozen=True, slots=True)
class GuardFiles:
    """Where the guard of one proxy is asked and what it keeps; paths like the others."""

    socket: str
    table: str
    """The verdicts it knew last, for its next start."""


def bootstrap(
    proxy_id: str,
    trust_domain: str,
    control: Address | str,
    admin: str,
    guard: GuardFiles | None = None,
) -> messages.Bootstrap:
    """The configuration of the proxy `proxy_id`, a SPIFFE id.

    `control` is the control plane's address, or the path of the agent's relay. Mutual TLS goes end
    to end through the relay, to the control plane or, while that is away, to the agent itself,
    which serves the last good snapshot under the proxy's own id. `admin` is the path of the admin
    socket. Relative paths are relative to Envoy's working directory. Without `guard` no module is
    loaded and no verdict arrives.
    """
    made = messages.Bootstrap(
        admin=messages.Admin(address=core.Address(pipe=core.Pipe(path=admin, mode=0o600))),
        dynamic_resources=_one_stream(),
        layered_runtime=_runtime(),
        overload_manager=_overload(),
        stats_config=_stats(),
        stats_flush_on_admin=True,
    )
    peers = (spiffe.control_plane_id(trust_domain), proxy_id)
    made.node.id = proxy_id
    made.node.cluster = proxy_id
    made.static_resources.clusters.append(_control_plane(control, peers))
    if guard is not None:
        made.static_resources.listeners.append(_verdicts(guard))
    return made


def _verdicts(guard: GuardFiles) -> listener.Listener:
    """The guard's own filter: static, so that no change of configuration ends its stream."""
    role = filling(Role.VERDICTS, {"cluster": CONTROL_CLUSTER, "table": guard.table})
    manager = hcm.HttpConnectionManager(
        stat_prefix="guard",
        route_config=route.RouteConfiguration(name="guard"),
        http_filters=[
            hcm.HttpFilter(name="ostiary.verdicts", typed_config=pack(role)),
            hcm.HttpFilter(name="envoy.filters.http.router", typed_config=pack(router.Router())),
        ],
    )
    filters = [
        listener.Filter(
            name="envoy.filters.network.http_connection_manager", typed_config=pack(manager)
        )
    ]
    return listener.Listener(
        name="ostiary.guard",
        address=core.Address(pipe=core.Pipe(path=guard.socket, mode=0o600)),
        filter_chains=[listener.FilterChain(filters=filters)],
    )


def _one_stream() -> messages.Bootstrap.DynamicResources:
    """Delta ADS; the node is said once, for it is 60 kB long and each ACK would repeat it."""
    # Without a policy of ours Envoy waits up to 30 s before it asks a control plane that was away.
    again = core.RetryPolicy(
        retry_back_off=core.BackoffStrategy(base_interval=seconds(0.1), max_interval=seconds(1))
    )
    grpc = core.GrpcService(
        envoy_grpc=core.GrpcService.EnvoyGrpc(cluster_name=CONTROL_CLUSTER, retry_policy=again)
    )
    source = core.ApiConfigSource(
        api_type=core.ApiConfigSource.DELTA_GRPC,
        transport_api_version=core.ApiVersion.V3,
        grpc_services=[grpc],
        set_node_on_first_message_only=True,
    )
    return messages.Bootstrap.DynamicResources(
        ads_config=source, lds_config=ads(), cds_config=ads()
    )


def _control_plane(control: Address | str, peers: Sequence[str]) -> cluster.Cluster:
    if isinstance(control, str):
        address = core.Address(pipe=core.Pipe(path=control))
    else:
        address = socket_address(control.host, control.port)
    host = endpoint.LbEndpoint(endpoint=endpoint.Endpoint(address=address))
    return cluster.Cluster(
        name=CONTROL_CLUSTER,
        type=cluster.Cluster.STATIC,
        connect_timeout=seconds(1),
        # Envoy lets only three requests wait for their next try, and drops what comes then.
        circuit_breakers=cluster.CircuitBreakers(
            thresholds=[
                cluster.CircuitBreakers.Thresholds(max_retries=wkt.UInt32Value(value=KEPT_MESSAGES))
            ]
        ),
        load_assignment=endpoint.ClusterLoadAssignment(
            cluster_name=CONTROL_CLUSTER,
            endpoints=[endpoint.LocalityLbEndpoints(lb_endpoints=[host])],
        ),
        typed_extension_protocol_options={
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": pack(http2())
        },
        transport_socket=mutual_tls(*peers),
    )


def _runtime() -> messages.LayeredRuntime:
    layer = messages.RuntimeLayer(name="ostiary")
    layer.static_layer["re2.max_program_size.error_level"] = _REGEX_SIZE
    layer.static_layer["re2.max_program_size.warn_level"] = _REGEX_SIZE
    return messages.LayeredRuntime(layers=[layer])


def _overload() -> overload.OverloadManager:
    limit = downstream_connections.DownstreamConnectionsConfig(
        max_active_downstream_connections=MAX_CONNECTIONS
    )
    monitor = overload.ResourceMonitor(
        name="envoy.resource_monitors.global_downstream_max_connections", typed_config=pack(limit)
    )
    return overload.OverloadManager(resource_monitors=[monitor])


def _stats() -> metrics.StatsConfig:
    kept = [matcher.StringMatcher(prefix=one) for one in _KEPT_PREFIXES]
    kept += [matcher.StringMatcher(suffix=one) for one in _KEPT_SUFFIXES]
    return metrics.StatsConfig(
        use_all_default_tags=wkt.BoolValue(value=False),
        stats_matcher=metrics.StatsMatcher(inclusion_list=matcher.ListStringMatcher(patterns=kept)),
    )
