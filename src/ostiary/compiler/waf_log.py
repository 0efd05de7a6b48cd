"""The log of `waf` in a file of the proxy's machine: one line of JSON for each inspected request.

The line is for tools: a rule matched or not, the request is told. What is in it the guard wrote,
secrets masked; a request that was not looked into has no line. Feeds `edge`.
"""

from __future__ import annotations

from typing import Final

from ostiary.protos import pack
from ostiary.protos.messages import accesslog, core, file_log, matcher, wkt
from ostiary.wire import WAF_LOG_KEY, WAF_METADATA

_SAID: Final = {
    "request_id": "id",
    "action": "action",
    "mode": "mode",
    "score": "score",
    "rules": "rules",
    "by": "by",
    "messages": "messages",
    "micros": "micros",
    "cost": "cost",
    "request": "record",
}
"""Field -> key of the guard's metadata."""
_ENVOYS: Final = {
    "time": "%START_TIME%",
    "decision": "%REQ(X-REQUEST-ID)%",
    "route": "%ROUTE_NAME%",
    "host": "%REQ(:AUTHORITY)%",
    "method": "%REQ(:METHOD)%",
    "path": "%PATH(NQ:PATH)%",
    "code": "%RESPONSE_CODE%",
    "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
}


def waf_log(file: str) -> accesslog.AccessLog:
    """The log in `file` of the requests whose route names it."""
    lines = {
        **_ENVOYS,
        **{name: f"%DYNAMIC_METADATA({WAF_METADATA}:{key})%" for name, key in _SAID.items()},
    }
    struct = wkt.Struct()
    for name, text in lines.items():
        struct.fields[name].string_value = text
    config = file_log.FileAccessLog(
        path=file, log_format=core.SubstitutionFormatString(json_format=struct)
    )
    return accesslog.AccessLog(
        name="envoy.access_loggers.file", filter=_named(file), typed_config=pack(config)
    )


def _named(file: str) -> accesslog.AccessLogFilter:
    matched = matcher.MetadataMatcher(
        filter=WAF_METADATA,
        path=[matcher.MetadataMatcher.PathSegment(key=WAF_LOG_KEY)],
        value=matcher.ValueMatcher(string_match=matcher.StringMatcher(exact=file)),
    )
    return accesslog.AccessLogFilter(
        metadata_filter=accesslog.MetadataFilter(
            matcher=matched, match_if_key_not_found=wkt.BoolValue(value=False)
        )
    )
