"""The decision log: two gRPC streams from each proxy to the control plane.

Refusals and errors have a stream of their own, so that a flood of allowed requests can never push
one out; it is never sampled. Feeds `edge` and `mini`; read by `signals`.
"""

from __future__ import annotations

from typing import Final

from ostiary.compiler.fetch import seconds
from ostiary.compiler.world import CONTROL_CLUSTER
from ostiary.protos import pack
from ostiary.protos.messages import accesslog, als_filter, core, matcher, wkt
from ostiary.wire import RBAC_METADATA

DENIALS: Final = "ostiary-denials"
ALLOWS: Final = "ostiary-allows"
_ENFORCED: Final = "enforced_engine_result"
_FIRST_ERROR: Final = 400


def decision_log() -> list[accesslog.AccessLog]:
    """Both streams; each request is in exactly one of them."""
    refused = accesslog.AccessLogFilter(
        or_filter=accesslog.OrFilter(filters=[_status(failed=True), _rbac(denied=True)])
    )
    passed = accesslog.AccessLogFilter(
        and_filter=accesslog.AndFilter(filters=[_status(failed=False), _rbac(denied=False)])
    )
    return [_stream(DENIALS, refused, flush=0.1), _stream(ALLOWS, passed, flush=1.0)]


def _stream(name: str, which: accesslog.AccessLogFilter, *, flush: float) -> accesslog.AccessLog:
    grpc = core.GrpcService(envoy_grpc=core.GrpcService.EnvoyGrpc(cluster_name=CONTROL_CLUSTER))
    common = als_filter.CommonGrpcAccessLogConfig(
        log_name=name,
        grpc_service=grpc,
        transport_api_version=core.ApiVersion.V3,
        buffer_flush_interval=seconds(flush),
        buffer_size_bytes=wkt.UInt32Value(value=64 << 10),
    )
    config = als_filter.HttpGrpcAccessLogConfig(common_config=common)
    return accesslog.AccessLog(
        name="envoy.access_loggers.http_grpc", filter=which, typed_config=pack(config)
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
