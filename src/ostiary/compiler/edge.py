"""The listeners of an edge gateway: HTTPS with everything, plain HTTP that only redirects.

A listener is written once: what changes with routes and certificates comes over scopes, filter
slots and secrets, so that no connection drains. Only another set of wildcard scopes, another
sign-in host or another port writes it anew. Fed by `plan.Gateway`; feeds `compile`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ostiary.compiler import mutations
from ostiary.compiler.clusters import socket_address
from ostiary.compiler.connections import fresh_request_id, manager, network_filter
from ostiary.compiler.fetch import ads, ads_secret, seconds, transport_socket
from ostiary.compiler.logs import connection_log, decision_log
from ostiary.compiler.resources import LISTENER, Resource, resource
from ostiary.compiler.waf_log import waf_log
from ostiary.features.blocked import waf_replies
from ostiary.features.fragment import Filter, ListenerSite
from ostiary.features.refusals import edge_replies, plain_replies
from ostiary.features.roles import connection
from ostiary.features.withdrawn import guard_replies
from ostiary.plan.model import Gateway, Listener
from ostiary.protos import pack
from ostiary.protos.messages import core, hcm, listener, route, tls, tls_inspector, wkt
from ostiary.wire import SCOPE_HEADER

_BUFFER: Final = 64 << 10
"""Bytes one connection may make us hold in each direction."""
_HANDSHAKE: Final = 5.0
"""Seconds for the first bytes of a connection."""


@dataclass(frozen=True, slots=True)
class Front:
    """All that an HTTPS listener depends on."""

    gateway: Gateway
    listener: Listener
    wildcards: tuple[str, ...]
    secrets: tuple[str, ...]
    filters: tuple[Filter, ...]
    site: ListenerSite
    waf_logs: tuple[str, ...] = ()
    """Files that get a line for each request that was looked into for attacks."""


def https(front: Front) -> Resource:
    """The listener that serves."""
    one = front.listener
    chains = [_chain(front, trusted=False)]
    if front.gateway.trusted_proxies:
        chains.insert(0, _chain(front, trusted=True))
    made = _listener(one, chains)
    made.listener_filters.append(
        listener.ListenerFilter(
            name="envoy.filters.listener.tls_inspector",
            typed_config=pack(tls_inspector.TlsInspector()),
        )
    )
    if front.site.guard:
        made.access_log.append(connection_log())
    return resource(LISTENER, one.name, made, front.gateway.place)


def redirect(
    gateway: Gateway, one: Listener, target: Listener, sign_in_host: str | None
) -> Resource:
    """The plain-HTTP listener: sends requests for a host of `target` there, and serves nothing.

    Other hosts get a 404: whoever makes a cache ask for another name would redirect others to it.
    307, because a browser would keep a permanent one beyond a change of the port.
    """
    action = route.RedirectAction(
        https_redirect=True, response_code=route.RedirectAction.TEMPORARY_REDIRECT
    )
    if target.port != 443:  # noqa: PLR2004  the scheme's own port is not spelled
        action.port_redirect = target.port
    everything = route.Route(match=route.RouteMatch(prefix="/"), redirect=action)
    names = sorted({*target.hosts, *([sign_in_host] if sign_in_host else [])})
    host = route.VirtualHost(name="redirect", domains=names, routes=[everything])
    wild = any("*" in name for name in names)
    connections = manager(one.name, (), enabled=True, any_host=wild)
    connections.local_reply_config.MergeFrom(plain_replies())
    _to_plain_names(connections)
    connections.early_header_mutation_extensions.append(mutations.strip())
    connections.request_id_extension.CopyFrom(fresh_request_id())
    connections.route_config.CopyFrom(route.RouteConfiguration(name=one.name, virtual_hosts=[host]))
    chain = listener.FilterChain(name="redirect", filters=[network_filter(connections)])
    return resource(LISTENER, one.name, _listener(one, [chain]), gateway.place)


def _listener(one: Listener, chains: Sequence[listener.FilterChain]) -> listener.Listener:
    """Without `reuse_port`: two proxies on one port would share it silently."""
    return listener.Listener(
        name=one.name,
        address=socket_address(one.address, one.port),
        filter_chains=chains,
        per_connection_buffer_limit_bytes=wkt.UInt32Value(value=_BUFFER),
        listener_filters_timeout=seconds(_HANDSHAKE),
        enable_reuse_port=wkt.BoolValue(value=False),
    )


def _chain(front: Front, *, trusted: bool) -> listener.FilterChain:
    """One for everybody; with `trusted_proxies` another that believes their X-Forwarded-For."""
    # Behind a trusted proxy are many clients: its address is none of theirs.
    guarded = front.site.guard and not trusted
    made = listener.FilterChain(
        name="trusted" if trusted else "everybody",
        filters=[
            *([connection(refuse=False)] if guarded else []),
            network_filter(_manager(front, trusted=trusted)),
        ],
        transport_socket=_tls(front.secrets),
        transport_socket_connect_timeout=seconds(_HANDSHAKE),
    )
    if trusted:
        ranges = [_range(one) for one in front.gateway.trusted_proxies]
        made.filter_chain_match.direct_source_prefix_ranges.extend(ranges)
    return made


def _range(text: str) -> core.CidrRange:
    address, _, length = text.partition("/")
    whole = 128 if ":" in address else 32
    return core.CidrRange(
        address_prefix=address, prefix_len=wkt.UInt32Value(value=int(length) if length else whole)
    )


def _manager(front: Front, *, trusted: bool) -> hcm.HttpConnectionManager:
    wild = bool(front.wildcards)
    guard = front.site.guard
    made = manager(front.listener.name, front.filters, enabled=False, any_host=wild, guard=guard)
    _to_plain_names(made)
    made.scoped_routes.CopyFrom(_scoped_routes())
    made.early_header_mutation_extensions.extend(_early(front, keep_forwarded=trusted))
    made.xff_num_trusted_hops = 1 if trusted else 0
    made.append_x_forwarded_port = True
    made.forward_client_cert_details = hcm.HttpConnectionManager.SANITIZE_SET
    made.request_id_extension.CopyFrom(fresh_request_id())
    if front.site.guard:
        made.local_reply_config.MergeFrom(guard_replies(front.site))
        made.local_reply_config.MergeFrom(waf_replies())
    made.local_reply_config.MergeFrom(edge_replies(front.site))
    made.access_log.extend(decision_log(guard=front.site.guard, waf=bool(front.site.rule_sets)))
    made.access_log.extend(waf_log(file) for file in front.waf_logs)
    return made


def _early(front: Front, *, keep_forwarded: bool) -> Sequence[core.TypedExtensionConfig]:
    at = (front.listener, front.wildcards)
    if front.site.guard:
        keep_sent = bool(front.site.rule_sets)
        return [mutations.by_guard(*at, keep_forwarded=keep_forwarded, keep_sent=keep_sent)]
    return mutations.strip(keep_forwarded=keep_forwarded), mutations.place(*at)


def _to_plain_names(connections: hcm.HttpConnectionManager) -> None:
    """`Host` without port and without the root's dot, for a scope has neither."""
    connections.strip_any_host_port = True
    connections.strip_trailing_host_dot = True


def _scoped_routes() -> hcm.ScopedRoutes:
    builder = hcm.ScopedRoutes.ScopeKeyBuilder
    extractor = builder.FragmentBuilder.HeaderValueExtractor(name=SCOPE_HEADER, index=0)
    return hcm.ScopedRoutes(
        name="scopes",
        scope_key_builder=builder(
            fragments=[builder.FragmentBuilder(header_value_extractor=extractor)]
        ),
        scoped_rds=hcm.ScopedRds(scoped_rds_config_source=ads()),
    )


def _tls(secrets: Sequence[str]) -> core.TransportSocket:
    """TLS 1.2 or newer; a name that no certificate carries gets the first one, and then a 404."""
    common = tls.CommonTlsContext(
        tls_params=tls.TlsParameters(tls_minimum_protocol_version=tls.TlsParameters.TLSv1_2),
        tls_certificate_sds_secret_configs=[ads_secret(name) for name in secrets],
        alpn_protocols=["h2", "http/1.1"],
    )
    return transport_socket(tls.DownstreamTlsContext(common_tls_context=common))
