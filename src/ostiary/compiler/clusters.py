"""Clusters and their endpoints: how a proxy reaches a service, its mini gateway, and `login`.

Fed by `plan.Service` and `World`; feeds the fold in `compile`. Upstream TLS is 1.3 and nothing
else, and the peer's SPIFFE id is pinned exactly: Envoy's own default would allow 1.2 at most.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Final

from ostiary.certs import spiffe
from ostiary.compiler.fetch import ads, bundle, seconds, svid, transport_socket
from ostiary.compiler.resources import CLUSTER, ENDPOINTS, Resource, resource
from ostiary.compiler.spelling import cluster_name
from ostiary.compiler.world import AUTHZ_CLUSTER, LOGIN_CLUSTER, Address, World
from ostiary.plan.model import Endpoint, Service
from ostiary.protos import pack
from ostiary.protos.messages import (
    cluster,
    core,
    endpoint,
    matcher,
    tls,
    upstreams_http,
    wkt,
)

EDS_WAIT: Final = 2.0
"""Seconds a new cluster waits for its endpoints before its requests are answered 503."""
_KEEPALIVE: Final = 30
"""Seconds of silence after which a kept upstream connection is probed."""
_UPSTREAM_IDLE: Final = 60.0
"""Seconds an unused upstream connection is kept."""


def edge_cluster(service: Service, trust_domain: str) -> Resource:
    """The cluster an edge gateway uses: the mini gateway over mutual TLS, or the endpoints."""
    made = _service_cluster(service, _edge_endpoints(service))
    if service.mini_gateway is not None:
        peer = spiffe.service_id(trust_domain, service.key)
        made.transport_socket.CopyFrom(mutual_tls(peer))
    return resource(CLUSTER, made.name, made, service.place)


def mini_cluster(service: Service) -> Resource:
    """The cluster a mini gateway uses: the resource itself."""
    made = _service_cluster(service, service.endpoints)
    return resource(CLUSTER, made.name, made, service.place)


def edge_endpoints(service: Service) -> Resource | None:
    """The endpoint assignment for an edge; None when the cluster resolves names by itself."""
    return _assignment(service, _edge_endpoints(service))


def mini_endpoints(service: Service) -> Resource | None:
    """The endpoint assignment for the mini gateway; None when the cluster resolves names."""
    return _assignment(service, service.endpoints)


def own_clusters(world: World, trust_domain: str) -> tuple[Resource, Resource]:
    """`login` twice: pages over HTTP, and the slow path over gRPC with tight limits.

    The slow path may hold 64 requests; what is above is refused at once, so that a flood of
    refreshes cannot queue up in front of live ones.
    """
    peer = spiffe.login_id(trust_domain)
    pages = _static(LOGIN_CLUSTER, world.login_http, peer, _http1())
    pages.circuit_breakers.CopyFrom(_breakers(connections=256, pending=256, requests=256))
    authz = _static(AUTHZ_CLUSTER, world.login_authz, peer, http2())
    authz.circuit_breakers.CopyFrom(_breakers(connections=16, pending=64, requests=64))
    return (
        resource(CLUSTER, LOGIN_CLUSTER, pages),
        resource(CLUSTER, AUTHZ_CLUSTER, authz),
    )


def mutual_tls(*peers: str) -> core.TransportSocket:
    """TLS 1.3 with our SVID, to exactly one of the SPIFFE ids `peers`."""
    uri = tls.SubjectAltNameMatcher.URI
    names = [
        tls.SubjectAltNameMatcher(san_type=uri, matcher=matcher.StringMatcher(exact=one))
        for one in peers
    ]
    validation = tls.CertificateValidationContext(match_typed_subject_alt_names=names)
    common = tls.CommonTlsContext(
        tls_params=only_tls_1_3(),
        tls_certificate_sds_secret_configs=[svid()],
        combined_validation_context=tls.CommonTlsContext.CombinedCertificateValidationContext(
            default_validation_context=validation, validation_context_sds_secret_config=bundle()
        ),
    )
    return transport_socket(tls.UpstreamTlsContext(common_tls_context=common))


def only_tls_1_3() -> tls.TlsParameters:
    """Between our own parts there is nothing older to talk to."""
    version = tls.TlsParameters.TLSv1_3
    return tls.TlsParameters(
        tls_minimum_protocol_version=version, tls_maximum_protocol_version=version
    )


def http2() -> upstreams_http.HttpProtocolOptions:
    """HTTP/2, for gRPC; a dead peer is noticed within 15 seconds."""
    options = core.Http2ProtocolOptions(
        connection_keepalive=core.KeepaliveSettings(interval=seconds(10), timeout=seconds(5))
    )
    explicit = upstreams_http.HttpProtocolOptions.ExplicitHttpConfig(http2_protocol_options=options)
    return upstreams_http.HttpProtocolOptions(explicit_http_config=explicit)


def socket_address(host: str, port: int) -> core.Address:
    """A TCP address."""
    return core.Address(socket_address=core.SocketAddress(address=host, port_value=port))


def _http1() -> upstreams_http.HttpProtocolOptions:
    """HTTP/1.1, which carries WebSocket upgrades to every application."""
    explicit = upstreams_http.HttpProtocolOptions.ExplicitHttpConfig(
        http_protocol_options=core.Http1ProtocolOptions()
    )
    common = core.HttpProtocolOptions(idle_timeout=seconds(_UPSTREAM_IDLE))
    return upstreams_http.HttpProtocolOptions(
        explicit_http_config=explicit, common_http_protocol_options=common
    )


def _edge_endpoints(service: Service) -> tuple[Endpoint, ...]:
    mini = service.mini_gateway
    return service.endpoints if mini is None else (Endpoint(mini.address, mini.port),)


def _service_cluster(service: Service, endpoints: Sequence[Endpoint]) -> cluster.Cluster:
    name = cluster_name(service.key)
    made = _base(name, service.connect_timeout, _http1())
    made.circuit_breakers.CopyFrom(_breakers(connections=10_000, pending=1_024, requests=10_000))
    if _needs_dns(endpoints):
        made.type = cluster.Cluster.STRICT_DNS
        made.load_assignment.CopyFrom(_load(name, endpoints))
    else:
        made.type = cluster.Cluster.EDS
        made.eds_cluster_config.eds_config.CopyFrom(ads(first_fetch=EDS_WAIT))
    return made


def _static(
    name: str, address: Address, peer: str, protocol: upstreams_http.HttpProtocolOptions
) -> cluster.Cluster:
    made = _base(name, 1.0, protocol)
    made.type = cluster.Cluster.STATIC
    made.load_assignment.CopyFrom(_load(name, [Endpoint(address.host, address.port)]))
    made.transport_socket.CopyFrom(mutual_tls(peer))
    return made


def _base(
    name: str, connect_timeout: float, protocol: upstreams_http.HttpProtocolOptions
) -> cluster.Cluster:
    keepalive = core.TcpKeepalive(
        keepalive_time=wkt.UInt32Value(value=_KEEPALIVE),
        keepalive_interval=wkt.UInt32Value(value=5),
        keepalive_probes=wkt.UInt32Value(value=3),
    )
    return cluster.Cluster(
        name=name,
        connect_timeout=seconds(connect_timeout),
        upstream_connection_options=cluster.UpstreamConnectionOptions(tcp_keepalive=keepalive),
        typed_extension_protocol_options={
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": pack(protocol)
        },
    )


def _breakers(*, connections: int, pending: int, requests: int) -> cluster.CircuitBreakers:
    threshold = cluster.CircuitBreakers.Thresholds(
        max_connections=wkt.UInt32Value(value=connections),
        max_pending_requests=wkt.UInt32Value(value=pending),
        max_requests=wkt.UInt32Value(value=requests),
    )
    return cluster.CircuitBreakers(thresholds=[threshold])


def _assignment(service: Service, endpoints: Sequence[Endpoint]) -> Resource | None:
    if _needs_dns(endpoints):
        return None
    name = cluster_name(service.key)
    return resource(ENDPOINTS, name, _load(name, endpoints), service.place)


def _load(name: str, endpoints: Sequence[Endpoint]) -> endpoint.ClusterLoadAssignment:
    hosts = [
        endpoint.LbEndpoint(endpoint=endpoint.Endpoint(address=_address(one))) for one in endpoints
    ]
    locality = endpoint.LocalityLbEndpoints(lb_endpoints=hosts)
    return endpoint.ClusterLoadAssignment(cluster_name=name, endpoints=[locality])


def _address(one: Endpoint) -> core.Address:
    if one.unix is not None:
        return core.Address(pipe=core.Pipe(path=one.unix))
    return socket_address(one.host, one.port)


def _needs_dns(endpoints: Sequence[Endpoint]) -> bool:
    return any(one.unix is None and not _is_ip(one.host) for one in endpoints)


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
