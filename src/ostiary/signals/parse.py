"""From one entry of Envoy's access log to one `DecisionRecord`, in a few microseconds.

Fields are read straight from the upb message; nothing is turned into a dict. Pure: no clock, no
store. Fed by `receiver`; feeds `writer`.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, Final

from ostiary.plan.record import DecisionRecord
from ostiary.wire import (
    ASSERTION_KEY,
    JWT_METADATA,
    RBAC_METADATA,
    SESSION_KEY,
    SHADOW_RESULT,
    STALE_KEY,
)

if TYPE_CHECKING:
    from ostiary.protos.messages import http_log, wkt

    _Claims = MutableMapping[str, wkt.Value]

CLOCK_SKEW: Final = 5
"""Seconds by which a token may be over its time at every proxy of ours."""
LONGEST_TEXT: Final = 512
"""Characters kept of a path or of Envoy's details; longer ones are cut, never refused."""


_NOBODY: Final[dict[str, Any]] = {}


def parse(entry: http_log.HTTPAccessLogEntry, proxy: str, log: str) -> DecisionRecord:
    """What `entry` of the logger `log` says, as told by the proxy with the SPIFFE id `proxy`."""
    common = entry.common_properties
    request = entry.request
    response = entry.response
    route, _, policy = common.route_name.rpartition("@")
    metadata = common.metadata.filter_metadata
    started = common.start_time.seconds + common.start_time.nanos / 1e9
    credential, claims = _identity(metadata)
    return DecisionRecord(
        request.request_id or common.stream_id,
        started,
        proxy,
        log,
        route or policy,
        policy if route else "",
        _host(request.authority),
        _method(request.request_method),
        request.path.partition("?")[0].partition("#")[0][:LONGEST_TEXT],
        response.response_code.value,
        response.response_code_details[:LONGEST_TEXT],
        _flags(common.response_flags),
        credential,
        _claim(claims, "sub"),
        _claim(claims, "email"),
        _groups(claims),
        _claim(claims, "host"),
        _claim(claims, "sid"),
        _claim(claims, "gv"),
        _text(metadata, RBAC_METADATA, SHADOW_RESULT),
        _peer(common),
        _address(common),
        _duration(common),
        common.upstream_cluster,
        common.upstream_transport_failure_reason[:LONGEST_TEXT],
        credential in _VERIFIED and _expired(claims, started),
    )


_METHODS: Final = (
    "",
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "CONNECT",
    "OPTIONS",
    "TRACE",
    "PATCH",
)
"""`envoy.config.core.v3.RequestMethod` by number."""


def _identity(
    metadata: MutableMapping[str, wkt.Struct],
) -> tuple[str, _Claims]:
    """Which credential was verified, and its claims; of those only the allow-list is read."""
    verified = metadata.get(JWT_METADATA)
    if verified is not None:
        for key, credential in _CREDENTIALS:
            found = verified.fields.get(key)
            if found is not None:
                return credential, found.struct_value.fields
    return "", _NOBODY


_CREDENTIALS: Final = (
    (SESSION_KEY, "session"),
    (ASSERTION_KEY, "assertion"),
    (STALE_KEY, "expired"),
)
_VERIFIED: Final = ("session", "assertion")


def _claim(claims: _Claims, name: str) -> str:
    value = claims.get(name)
    return "" if value is None else value.string_value


def _groups(claims: _Claims) -> tuple[str, ...]:
    value = claims.get("groups")
    return () if value is None else tuple(one.string_value for one in value.list_value.values)


def _expired(claims: _Claims, now: float) -> bool:
    """Beyond the skew that clocks are allowed, so by `offline_grace` alone."""
    value = claims.get("exp")
    return value is not None and value.number_value + CLOCK_SKEW < now


def _text(metadata: MutableMapping[str, wkt.Struct], namespace: str, key: str) -> str:
    found = metadata.get(namespace)
    value = None if found is None else found.fields.get(key)
    return "" if value is None else value.string_value


def _host(authority: str) -> str:
    """Without the port: what is behind the last colon, unless that is inside an IPv6 address."""
    host, colon, port = authority.rpartition(":")
    return (host if colon and port.isdigit() else authority).lower()


def _method(number: int) -> str:
    return _METHODS[number] if number < len(_METHODS) else ""


def _flags(flags: http_log.ResponseFlags) -> str:
    return ",".join(field.name for field, _ in flags.ListFields())


def _peer(common: http_log.AccessLogCommon) -> str:
    if not common.HasField("tls_properties"):
        return ""
    for name in common.tls_properties.peer_certificate_properties.subject_alt_name:
        if name.uri:
            return name.uri
    return ""


def _duration(common: http_log.AccessLogCommon) -> float:
    span = common.duration
    return span.seconds + span.nanos / 1e9


def _address(common: http_log.AccessLogCommon) -> str:
    return common.downstream_remote_address.socket_address.address
