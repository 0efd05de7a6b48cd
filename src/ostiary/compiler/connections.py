"""The HTTP settings that every listener of ours shares: what a request may look like.

Fed by nothing but our own choices; feeds `edge` and `mini`. Every limit stands here once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from google.protobuf.message import Message

from ostiary.compiler import paths
from ostiary.compiler.fetch import ads, seconds
from ostiary.features.fragment import Filter
from ostiary.protos import pack, type_url
from ostiary.protos.messages import (
    core,
    hcm,
    header_mutation,
    listener,
    mutation_rules,
    request_id,
    router,
    wkt,
)
from ostiary.wire import DECISION_HEADER

REQUEST_HEADERS_WITHIN: Final = 10.0
"""Seconds a client may take for the head of a request (slow senders hold a connection else)."""
STREAM_IDLE: Final = 300.0
"""Seconds without a byte in either direction, unless a route's `timeouts` say otherwise."""
CONNECTION_IDLE: Final = 900.0
"""Seconds a connection may stay open with no request on it."""
MAX_REQUEST_HEADERS_KB: Final = 64
"""Room for a session token with its assertion, a refresh handle and the application's cookies."""
_NO_SOURCE: Final = "0.0.0.0"  # noqa: S104  nothing is bound to it
"""An address that no client has (RFC 1122, section 3.2.1.3)."""
_STREAMS: Final = 100
"""Requests at once on one HTTP/2 connection (RFC 9113, section 6.5.2 advises no fewer)."""


def manager(
    stat_prefix: str,
    filters: Iterable[Filter],
    *,
    enabled: bool,
    any_host: bool = False,
    guard: bool = False,
) -> hcm.HttpConnectionManager:
    """A connection manager: decision id, path guard, `filters` as ECDS slots, router.

    `any_host` where a client can choose the host name, so that the path guard looks at it too.
    Where the `guard` has its roles on every route and its early hook, it writes the decision id
    and has marked what is unsound: no filter has to.
    """
    slots = [slot(one, enabled=enabled) for one in filters]
    own = [_decision_id(), _static("ostiary.path", paths.guard(any_host=any_host))]
    refusals = paths.marked_refusals() if guard else paths.refusals()
    return hcm.HttpConnectionManager(
        stat_prefix=stat_prefix,
        http_filters=[
            *([] if guard else own),
            *slots,
            _static("envoy.filters.http.router", router.Router(suppress_envoy_headers=True)),
        ],
        common_http_protocol_options=core.HttpProtocolOptions(
            idle_timeout=seconds(CONNECTION_IDLE),
            headers_with_underscores_action=core.HttpProtocolOptions.DROP_HEADER,
        ),
        http2_protocol_options=_http2(),
        max_request_headers_kb=wkt.UInt32Value(value=MAX_REQUEST_HEADERS_KB),
        request_headers_timeout=seconds(REQUEST_HEADERS_WITHIN),
        stream_idle_timeout=seconds(STREAM_IDLE),
        use_remote_address=wkt.BoolValue(value=True),
        internal_address_config=_nobody_is_internal(),
        server_name="ostiary",
        normalize_path=wkt.BoolValue(value=True),
        merge_slashes=True,
        # The path guard refuses escaped slashes too, and in words.
        path_with_escaped_slashes_action=hcm.HttpConnectionManager.KEEP_UNCHANGED,
        local_reply_config=hcm.LocalReplyConfig(mappers=refusals),
        upgrade_configs=[hcm.HttpConnectionManager.UpgradeConfig(upgrade_type="websocket")],
    )


def slot(one: Filter, *, enabled: bool) -> hcm.HttpFilter:
    """A place in the chain whose config comes over ECDS; until it has come, every answer is 500."""
    source = core.ExtensionConfigSource(config_source=ads(), type_urls=[type_url(one.config)])
    return hcm.HttpFilter(name=one.name, config_discovery=source, disabled=not enabled)


def fresh_request_id() -> hcm.RequestIDExtension:
    """Decision ids are random bits of ours and nothing else: no trace flag is packed into them."""
    config = request_id.UuidRequestIdConfig(pack_trace_reason=wkt.BoolValue(value=False))
    return hcm.RequestIDExtension(typed_config=pack(config))


def network_filter(connections: hcm.HttpConnectionManager) -> listener.Filter:
    """The filter that serves requests: the last one of a filter chain."""
    return listener.Filter(
        name="envoy.filters.network.http_connection_manager", typed_config=pack(connections)
    )


def _decision_id() -> hcm.HttpFilter:
    """Every answer says under which id `explain` finds the decision, whoever answered."""
    header = core.HeaderValueOption(
        header=core.HeaderValue(key=DECISION_HEADER, value="%REQ(X-REQUEST-ID)%"),
        append_action=core.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
    )
    mutations = header_mutation.Mutations(
        response_mutations=[mutation_rules.HeaderMutation(append=header)]
    )
    return _static("ostiary.decision", header_mutation.HeaderMutation(mutations=mutations))


def _nobody_is_internal() -> hcm.HttpConnectionManager.InternalAddressConfig:
    """Envoy believes headers of "internal" clients; nobody is one of them."""
    nowhere = core.CidrRange(address_prefix=_NO_SOURCE, prefix_len=wkt.UInt32Value(value=32))
    return hcm.HttpConnectionManager.InternalAddressConfig(cidr_ranges=[nowhere])


def _static(name: str, config: Message) -> hcm.HttpFilter:
    return hcm.HttpFilter(name=name, typed_config=pack(config))


def _http2() -> core.Http2ProtocolOptions:
    """The windows bound what one connection may make us hold; floods end the connection."""
    return core.Http2ProtocolOptions(
        max_concurrent_streams=wkt.UInt32Value(value=_STREAMS),
        initial_stream_window_size=wkt.UInt32Value(value=64 << 10),
        initial_connection_window_size=wkt.UInt32Value(value=1 << 20),
    )
