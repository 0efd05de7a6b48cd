"""What Envoy says when it refuses by itself, in words: the local replies of a listener.

Every answer carries its decision id. Strangers who navigate are sent to the sign-in host with a
cookie for the way back; all others get 401. gRPC clients get trailers-only answers (16, 7, 8, 14)
from Envoy, never a redirect. Answers of `login` and of the routes' own `respond` pass unchanged:
mappers look at Envoy's reasons, never at a bare status. Nothing of the request is repeated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ostiary.features.fragment import ListenerSite
from ostiary.protos import pack
from ostiary.protos.messages import accesslog, cel_filter, core, hcm, matcher, route, wkt
from ostiary.wire import (
    AUTHZ_FAILED_HEADER,
    DECISION_HEADER,
    RBAC_METADATA,
    SHADOW_RESULT,
    SIGN_IN_PATH,
    START_COOKIE_PREFIX,
)

START_LIFETIME: Final = 600
"""Seconds a person has to sign in before the way back is forgotten."""
RETRY_AFTER: Final = 5
_ID: Final = "%REQ(X-REQUEST-ID)%"
_DENIED: Final = "rbac_access_denied_matched_policy[{}]"
_TEXT: Final = "text/plain; charset=utf-8"
_HTTPS: Final = 443
_Filter = accesslog.AccessLogFilter


@dataclass(frozen=True, slots=True)
class Reply:
    """When (`filter`) what is said; None leaves that part as Envoy or a filter wrote it."""

    when: accesslog.AccessLogFilter
    status: int | None = None
    body: str | None = None
    kind: str = _TEXT
    headers: Sequence[tuple[str, str]] = ()


def edge_replies(listener: ListenerSite) -> hcm.LocalReplyConfig:
    """The replies of an edge listener, the first that fits."""
    strangers = [] if listener.sign_in is None else _strangers(listener, listener.sign_in.origin)
    return _config([_FROM_LOGIN, *strangers, *_EDGE, *_COMMON])


def mini_replies() -> hcm.LocalReplyConfig:
    """The replies of a mini gateway."""
    return _config([*_MINI, *_COMMON])


def plain_replies() -> hcm.LocalReplyConfig:
    """The replies of a listener that only redirects."""
    return _config(_COMMON)


def _strangers(listener: ListenerSite, sign_in: str) -> list[Reply]:
    stranger = _rbac("stranger")
    port = "" if listener.port == _HTTPS else f":{listener.port}"
    back = f"https://%REQ(:AUTHORITY)%{port}%REQ(:PATH)%"
    cookie = f"{START_COOKIE_PREFIX}{_ID}=1; Path=/; Secure; HttpOnly; SameSite=Lax"
    challenge = ("www-authenticate", f'Ostiary sign-in="{sign_in}{SIGN_IN_PATH}"')
    no_store = ("cache-control", "private, no-store")
    redirect = [
        ("location", f"{sign_in}{SIGN_IN_PATH}?start={_ID}&to={back}"),
        ("set-cookie", f"{cookie}; Max-Age={START_LIFETIME}"),
        no_store,
    ]
    json = (
        f'{{"error":"sign-in-required","message":"Nobody is signed in here. Sign in, then repeat '
        f'the request.","sign_in":"{sign_in}{SIGN_IN_PATH}","decision":"{_ID}"}}\n'
    )
    words = f"nobody is signed in here (decision {_ID})"
    return [
        Reply(_both(stranger, _grpc()), 401, words, headers=[challenge, no_store]),
        Reply(_both(stranger, _navigation()), 302, "", headers=redirect),
        Reply(stranger, 401, json, "application/json", [challenge, no_store]),
    ]


def _config(replies: Sequence[Reply]) -> hcm.LocalReplyConfig:
    return hcm.LocalReplyConfig(mappers=[_mapper(reply) for reply in replies])


def _mapper(reply: Reply) -> hcm.ResponseMapper:
    mapper = hcm.ResponseMapper(
        filter=reply.when,
        headers_to_add=[
            _header(name, value) for name, value in [(DECISION_HEADER, _ID), *reply.headers]
        ],
    )
    if reply.status is not None:
        mapper.status_code.value = reply.status
    if reply.body is not None:
        mapper.body_format_override.CopyFrom(
            core.SubstitutionFormatString(
                text_format_source=core.DataSource(inline_string=reply.body),
                content_type=reply.kind,
            )
        )
    return mapper


def _header(name: str, value: str) -> core.HeaderValueOption:
    return core.HeaderValueOption(
        header=core.HeaderValue(key=name, value=value),
        append_action=core.HeaderValueOption.HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
    )


def _words(status: str, sentence: str) -> str:
    return f"{status}: {sentence}\nDecision: {_ID}\n"


def _rbac(policy: str) -> accesslog.AccessLogFilter:
    """Envoy's RBAC names a policy that denied; one that did not allow it calls `none`."""
    return _details(_DENIED.format(policy))


def _details(reason: str) -> accesslog.AccessLogFilter:
    """Envoy's own reason; metadata and flags of the refusing filter are written after the reply."""
    expression = f'response.code_details == "{reason}"'
    config = pack(cel_filter.ExpressionFilter(expression=expression))
    name = "envoy.access_loggers.extension_filters.cel"
    return _Filter(extension_filter=accesslog.ExtensionFilter(name=name, typed_config=config))


def _both(*filters: accesslog.AccessLogFilter) -> accesslog.AccessLogFilter:
    return _Filter(and_filter=accesslog.AndFilter(filters=filters))


def _either(*filters: accesslog.AccessLogFilter) -> accesslog.AccessLogFilter:
    return _Filter(or_filter=accesslog.OrFilter(filters=filters))


def _has(name: str, match: matcher.StringMatcher | None = None) -> accesslog.AccessLogFilter:
    """The request has the header `name`, and it matches."""
    if match is None:
        header = route.HeaderMatcher(name=name, present_match=True)
    else:
        header = route.HeaderMatcher(name=name, string_match=match)
    return _Filter(header_filter=accesslog.HeaderFilter(header=header))


def _lacks(name: str) -> accesslog.AccessLogFilter:
    header = route.HeaderMatcher(name=name, present_match=True, invert_match=True)
    return _Filter(header_filter=accesslog.HeaderFilter(header=header))


def _navigation() -> accesslog.AccessLogFilter:
    """`Sec-Fetch-Mode: navigate`, or without Sec-Fetch a GET that accepts HTML."""
    string = matcher.StringMatcher
    old = _both(
        _lacks("sec-fetch-mode"),
        _has(":method", string(exact="GET")),
        _has("accept", string(contains="text/html")),
        _lacks("upgrade"),
    )
    return _either(_has("sec-fetch-mode", string(exact="navigate")), old)


def _grpc() -> accesslog.AccessLogFilter:
    return _has("content-type", matcher.StringMatcher(prefix="application/grpc"))


def _flags(*flags: str) -> accesslog.AccessLogFilter:
    return _Filter(response_flag_filter=accesslog.ResponseFlagFilter(flags=flags))


def _asked_before() -> accesslog.AccessLogFilter:
    """The rules were asked before the slow path and had said no."""
    denied = matcher.ValueMatcher(string_match=matcher.StringMatcher(exact="denied"))
    segment = matcher.MetadataMatcher.PathSegment(key=SHADOW_RESULT)
    metadata = matcher.MetadataMatcher(filter=RBAC_METADATA, path=[segment], value=denied)
    absent = wkt.BoolValue(value=False)
    return _Filter(
        metadata_filter=accesslog.MetadataFilter(matcher=metadata, match_if_key_not_found=absent)
    )


def _any_status() -> accesslog.AccessLogFilter:
    least = core.RuntimeUInt32(default_value=100, runtime_key="ostiary.never_set")
    comparison = accesslog.ComparisonFilter(op=accesslog.ComparisonFilter.Op.GE, value=least)
    return _Filter(status_code_filter=accesslog.StatusCodeFilter(comparison=comparison))


_LATER: Final = [("retry-after", str(RETRY_AFTER))]
_FROM_LOGIN: Final = Reply(_flags("UAEX"))
_EDGE: Final = [
    Reply(
        _rbac("cross-site"),
        403,
        _words(
            "403 Forbidden",
            "this request came from a page of another site, or does not say where it came from, "
            "and it carries a cookie of this one. Repeat it from the application's own pages.",
        ),
    ),
    Reply(
        _both(_rbac("none"), _has(AUTHZ_FAILED_HEADER)),
        503,
        _words(
            "503 Service Unavailable",
            "the session has to be renewed, and the sign-in service does not answer. Repeat the "
            "request in a moment.",
        ),
        headers=_LATER,
    ),
    Reply(
        _both(_rbac("none"), _asked_before()),
        503,
        _words(
            "503 Service Unavailable",
            "the sign-in service let this request pass, but this gateway does not know its keys "
            "or rules yet. Repeat the request in a moment.",
        ),
        headers=_LATER,
    ),
]
_MINI: Final = [
    Reply(
        _rbac("caller"),
        403,
        _words(
            "403 Forbidden",
            "this peer is not among the declared callers of the service.",
        ),
    ),
    Reply(
        _rbac("assertion"),
        403,
        _words(
            "403 Forbidden",
            "this request has no valid identity assertion for the service. A gateway's "
            "certificate alone opens nothing.",
        ),
    ),
]
_COMMON: Final = [
    Reply(
        _rbac("none"),
        403,
        _words("403 Forbidden", "no rule lets this request pass."),
    ),
    Reply(
        _details("local_rate_limited"),
        429,
        _words(
            "429 Too Many Requests",
            "the limit of this route is used up for now. Retry-After says when to come back.",
        ),
    ),
    Reply(
        _flags("NR"),
        404,
        _words(
            "404 Not Found",
            "no route has this host, path and method. Host names are written in lower case.",
        ),
    ),
    Reply(
        _flags("UH", "UF", "UO", "NC", "URX", "LH"),
        503,
        _words("503 Service Unavailable", "the resource behind this route cannot be reached."),
        headers=_LATER,
    ),
    Reply(
        _flags("UC", "UR", "LR", "UPE"),
        502,
        _words("502 Bad Gateway", "the resource broke the connection off."),
    ),
    Reply(
        _flags("UT", "SI", "DT"),
        504,
        _words("504 Gateway Timeout", "the resource did not answer in time."),
    ),
    Reply(_any_status()),
]
