"""The view of a mini gateway: the proxy beside a resource, which decides once more.

Mutual TLS 1.3 only; the caller's SPIFFE id must be declared; the user's assertion is verified and
judged by the service's own `access`. Its filters are always on and come over ECDS, so that another
rule or caller drains nothing. Fed by `plan.Service` and `features.assertion`; feeds
`compile`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from ostiary.compiler.clusters import mini_cluster, mini_endpoints, only_tls_1_3, socket_address
from ostiary.compiler.connections import fresh_request_id, manager, network_filter
from ostiary.compiler.fetch import bundle, seconds, svid, transport_socket
from ostiary.compiler.logs import connection_log, decision_log
from ostiary.compiler.mutations import AUTHORITY_HEADER
from ostiary.compiler.resources import LISTENER, Resource, resource
from ostiary.compiler.slots import slot_resource
from ostiary.compiler.spelling import cluster_name
from ostiary.features import assertion
from ostiary.features.fragment import Filter, Stage
from ostiary.features.refusals import mini_replies
from ostiary.features.roles import connection
from ostiary.features.withdrawn import mini_guard_replies
from ostiary.plan.model import MiniGateway, Service
from ostiary.protos.messages import core, hcm, listener, route, tls, wkt
from ostiary.wire import ASSERTION_KEY

LISTENER_NAME: Final = "mini"
PEER_SLOT: Final = "ostiary.peer"
"""The filter that knows the declared callers."""
ASSERTION_SLOT: Final = "ostiary.assertion"
"""The filter that refuses who brings no assertion; the others are called as at the edge."""
_BUFFER: Final = 64 << 10
"""Bytes one connection may make us hold in each direction."""


def mini_view(
    service: Service, mini: MiniGateway, site: assertion.MiniSite, callers: Sequence[str]
) -> Iterator[Resource]:
    """Every resource of the mini gateway of `service`; `callers` are SPIFFE ids."""
    slots = (
        Filter(Stage.GATE, PEER_SLOT, assertion.callers(callers)),
        Filter(Stage.WHO, Stage.WHO.slot, assertion.verify(site, service.level)),
        Filter(Stage.GATE, ASSERTION_SLOT, assertion.present(service.level)),
        Filter(Stage.MAY, Stage.MAY.slot, assertion.may(site, service.level)),
    )
    made = _listener(service, mini, site, manager(LISTENER_NAME, slots, enabled=True))
    yield resource(LISTENER, LISTENER_NAME, made, service.place)
    for one in slots:
        yield slot_resource(one, service.place)
    yield mini_cluster(service)
    endpoints = mini_endpoints(service)
    if endpoints is not None:
        yield endpoints


def _listener(
    service: Service,
    mini: MiniGateway,
    site: assertion.MiniSite,
    connections: hcm.HttpConnectionManager,
) -> listener.Listener:
    connections.route_config.CopyFrom(_routes(service))
    connections.request_id_extension.CopyFrom(fresh_request_id())
    # The edge's id is kept: one decision, one id, seen by both proxies and by the application.
    connections.preserve_external_request_id = True
    # Claims are compared with the name alone; the application gets the port back.
    connections.strip_any_host_port = True
    connections.skip_xff_append = True
    connections.forward_client_cert_details = hcm.HttpConnectionManager.SANITIZE_SET
    connections.set_current_client_cert_details.uri = True
    if site.guard:
        connections.local_reply_config.MergeFrom(mini_guard_replies())
    connections.local_reply_config.MergeFrom(mini_replies())
    connections.access_log.extend(decision_log(ASSERTION_KEY, guard=site.guard))
    chain = listener.FilterChain(
        name="mutual-tls",
        filters=[
            *([connection(refuse=True)] if site.guard else []),
            network_filter(connections),
        ],
        transport_socket=_mutual_tls(),
        transport_socket_connect_timeout=seconds(5),
    )
    return listener.Listener(
        name=LISTENER_NAME,
        address=socket_address(mini.address, mini.port),
        filter_chains=[chain],
        access_log=[connection_log()] if site.guard else [],
        per_connection_buffer_limit_bytes=wkt.UInt32Value(value=_BUFFER),
        enable_reuse_port=wkt.BoolValue(value=False),
    )


def _routes(service: Service) -> route.RouteConfiguration:
    """Everything to the one resource; how long a request may take, the edge has said."""
    action = route.RouteAction(
        cluster=cluster_name(service.key),
        timeout=seconds(0),
        idle_timeout=seconds(0),
        host_rewrite_header=AUTHORITY_HEADER,
    )
    everything = route.Route(
        name=service.key.path, match=route.RouteMatch(prefix="/"), route=action
    )
    host = route.VirtualHost(name="resource", domains=["*"], routes=[everything])
    return route.RouteConfiguration(name=LISTENER_NAME, virtual_hosts=[host])


def _mutual_tls() -> core.TransportSocket:
    """TLS 1.3, our SVID, and a client certificate of our workload authority or no connection."""
    common = tls.CommonTlsContext(
        tls_params=only_tls_1_3(),
        tls_certificate_sds_secret_configs=[svid()],
        validation_context_sds_secret_config=bundle(),
        alpn_protocols=["http/1.1"],
    )
    return transport_socket(
        tls.DownstreamTlsContext(
            common_tls_context=common, require_client_certificate=wkt.BoolValue(value=True)
        )
    )
