"""The decision log: two streams from each proxy to the control plane, and what an entry says.

Refusals and errors have a stream of their own, so that a flood of allowed requests can never push
one out; it is never sampled. An entry is one line of named fields and nothing else: no token, no
query, no header that is not listed here. Feeds `edge` and `mini`; read by `signals`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from ostiary.compiler.fetch import seconds
from ostiary.compiler.world import CONTROL_CLUSTER
from ostiary.protos import pack
from ostiary.protos.messages import (
    accesslog,
    als_filter,
    core,
    matcher,
    otlp,
    otlp_filter,
    wkt,
)
from ostiary.wire import (
    ASSERTION_KEY,
    CONNECTION_KEY,
    CREDENTIAL_KEY,
    EFFECT_KEY,
    JWT_METADATA,
    RBAC_METADATA,
    SESSION_KEY,
    SHADOW_RESULT,
    STALE_KEY,
    TRUST_METADATA,
    WAF_BRIEF_KEY,
    WAF_METADATA,
    WHO_METADATA,
)

DENIALS: Final = "ostiary-denials"
ALLOWS: Final = "ostiary-allows"
STREAM: Final = "stream"
"""The resource attribute that tells which of the two a message belongs to."""
SEPARATOR: Final = "\x1f"
"""Between two fields. Envoy's codecs refuse a request that has it in its head, `check_account` a
name that has it; groups are JSON. What has it nevertheless makes a field too many, and is told."""
ABSENT: Final = "-"
"""Envoy's word for a field without a value."""
LONGEST_TEXT: Final = 512
"""Bytes of a path or of Envoy's words that are sent; longer ones are cut, never refused."""
REQUEST: Final = {
    "id": "%REQ(X-REQUEST-ID):128%",
    "route": "%ROUTE_NAME%",
    "code": "%RESPONSE_CODE%",
    "flags": "%RESPONSE_FLAGS_LONG%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "shadow": f"%DYNAMIC_METADATA({RBAC_METADATA}:{SHADOW_RESULT})%",
    "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "micros": "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%",
    "upstream": "%UPSTREAM_CLUSTER_RAW%",
    "failure": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
    "peer": "%DOWNSTREAM_PEER_URI_SAN%",
    "method": "%REQ(:METHOD):32%",
    "host": "%REQ(:AUTHORITY):255%",
    "path": f"%PATH(NQ:PATH):{LONGEST_TEXT}%",
}
"""What Envoy itself knows comes first, what the client chose comes last."""
GUARDED: Final = {
    **{name: text for name, text in REQUEST.items() if name not in {"method", "host", "path"}},
    "trust": f"%DYNAMIC_METADATA({TRUST_METADATA})%",
    "who": f"%DYNAMIC_METADATA({WHO_METADATA}:{CREDENTIAL_KEY})%",
    "waf": f"%DYNAMIC_METADATA({WAF_METADATA}:{WAF_BRIEF_KEY})%",
    **{name: REQUEST[name] for name in ("method", "host", "path")},
}
"""With the guard: JSON of all that it said about the request, who asked (an array of the
credential's kind and its `CLAIMS`, in one field instead of one for each), and what rules found."""
CONNECTION: Final = {
    **dict.fromkeys(GUARDED, ABSENT),
    "id": f"%DYNAMIC_METADATA({TRUST_METADATA}:{CONNECTION_KEY})%",
    "flags": GUARDED["flags"],
    "details": "%CONNECTION_TERMINATION_DETAILS%",
    "client": GUARDED["client"],
    "peer": GUARDED["peer"],
    "trust": GUARDED["trust"],
}
"""The same of a connection that the guard closed: no request, and an id that the guard gave it."""
CLAIMS: Final = ("exp", "sub", "email", "groups", "host", "sid", "gv")
CREDENTIALS: Final = {SESSION_KEY: "session", ASSERTION_KEY: "assertion", STALE_KEY: "expired"}
"""Metadata key -> what the log calls a credential; its name stands before its claims."""
_ENFORCED: Final = "enforced_engine_result"
_FIRST_ERROR: Final = 400
_TRIES: Final = 60


def decision_log(
    credential: str = SESSION_KEY, *, guard: bool = False, waf: bool = False
) -> list[accesslog.AccessLog]:
    """Both streams; each request is in exactly one of them.

    `credential` is the metadata key of the claims: `ASSERTION_KEY` at a mini gateway. An expired
    session is told where it can have mattered: in a refusal. `waf`: rules may have found something.
    """
    some = [_status(failed=True), _rbac(denied=True)]
    none = [_status(failed=False), _rbac(denied=False)]
    if guard:
        some.append(_trust(denied=True))
        none.append(_trust(denied=False))
    refused = accesslog.AccessLogFilter(or_filter=accesslog.OrFilter(filters=some))
    passed = accesslog.AccessLogFilter(and_filter=accesslog.AndFilter(filters=none))
    edge = credential == SESSION_KEY
    # Each field costs the proxy a fifth of a microsecond, so none is asked where it has no value.
    nowhere = ({"peer"} if edge else set()) | (set() if waf else {"waf"})
    fields = GUARDED if guard else REQUEST
    told = [] if guard else [credential]
    denials = line([*told, STALE_KEY] if told and edge else told, nowhere, fields)
    allows = line(told, nowhere | {"failure"}, fields)
    return [
        _stream(DENIALS, refused, denials, flush=0.1),
        _stream(ALLOWS, passed, allows, flush=1.0),
    ]


def connection_log() -> accesslog.AccessLog:
    """Connections that the guard closed stand among the refusals; no other connection is logged."""
    return _stream(DENIALS, _trust(denied=True), line([], set(), CONNECTION), flush=0.1)


def line(credentials: Sequence[str], without: set[str], known: Mapping[str, str] = REQUEST) -> str:
    """The format of one entry: the fields `known`, those `without` always absent, and claims.

    It begins with the number of its fields, so that one too many is seen wherever it is.
    """
    fields = [ABSENT if name in without else text for name, text in known.items()]
    for key in credentials:
        fields.append(CREDENTIALS[key])
        fields += [f"%DYNAMIC_METADATA({JWT_METADATA}:{key}:{claim})%" for claim in CLAIMS]
    return SEPARATOR.join([str(len(fields)), *fields])


def _stream(
    name: str, which: accesslog.AccessLogFilter, text: str, *, flush: float
) -> accesslog.AccessLog:
    # The deprecated block: Envoy 1.40 heeds a flush interval nowhere else.
    common = als_filter.CommonGrpcAccessLogConfig(
        log_name=name,
        grpc_service=_service(),
        transport_api_version=core.ApiVersion.V3,
        buffer_flush_interval=seconds(flush),
        buffer_size_bytes=wkt.UInt32Value(value=64 << 10),
    )
    stream = otlp.KeyValue(key=STREAM, value=otlp.AnyValue(string_value=name))
    config = otlp_filter.OpenTelemetryAccessLogConfig(
        common_config=common,
        disable_builtin_labels=True,
        resource_attributes=otlp.KeyValueList(values=[stream]),
        body=otlp.AnyValue(string_value=text),
    )
    return accesslog.AccessLog(
        name="envoy.access_loggers.open_telemetry", filter=which, typed_config=pack(config)
    )


def _service() -> core.GrpcService:
    """What could not be delivered is kept for about two minutes: a restart loses nothing."""
    pause = core.BackoffStrategy(base_interval=seconds(0.2), max_interval=seconds(2))
    again = core.RetryPolicy(
        retry_back_off=pause,
        num_retries=wkt.UInt32Value(value=_TRIES),
        retry_on="connect-failure,refused-stream,unavailable",
    )
    return core.GrpcService(
        envoy_grpc=core.GrpcService.EnvoyGrpc(cluster_name=CONTROL_CLUSTER), retry_policy=again
    )


def _status(*, failed: bool) -> accesslog.AccessLogFilter:
    operator = accesslog.ComparisonFilter.GE if failed else accesslog.ComparisonFilter.LE
    bound = _FIRST_ERROR if failed else _FIRST_ERROR - 1
    comparison = accesslog.ComparisonFilter(
        op=operator,
        value=core.RuntimeUInt32(default_value=bound, runtime_key="ostiary.log.first_error"),
    )
    return accesslog.AccessLogFilter(
        status_code_filter=accesslog.StatusCodeFilter(comparison=comparison)
    )


def _rbac(*, denied: bool) -> accesslog.AccessLogFilter:
    """A redirect to the sign-in page is a refusal too, though its status is 302.

    Both results are spelt out: this filter does not heed a matcher's `invert`.
    """
    result = matcher.MetadataMatcher(
        filter=RBAC_METADATA,
        path=[matcher.MetadataMatcher.PathSegment(key=_ENFORCED)],
        value=matcher.ValueMatcher(
            string_match=matcher.StringMatcher(exact="denied" if denied else "allowed")
        ),
    )
    return accesslog.AccessLogFilter(
        metadata_filter=accesslog.MetadataFilter(
            matcher=result, match_if_key_not_found=wkt.BoolValue(value=not denied)
        )
    )


def _trust(*, denied: bool) -> accesslog.AccessLogFilter:
    """The guard wrote an effect: it refused the request, or ended what was long on its way.

    What was let pass has none, so its filter looks for a text that nobody writes.
    """
    missing = matcher.ValueMatcher(string_match=matcher.StringMatcher(exact="-"))
    effect = matcher.MetadataMatcher(
        filter=TRUST_METADATA,
        path=[matcher.MetadataMatcher.PathSegment(key=EFFECT_KEY)],
        value=matcher.ValueMatcher(present_match=True) if denied else missing,
    )
    return accesslog.AccessLogFilter(
        metadata_filter=accesslog.MetadataFilter(
            matcher=effect, match_if_key_not_found=wkt.BoolValue(value=not denied)
        )
    )
