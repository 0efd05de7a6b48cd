"""What Envoy says when it refuses by itself, in words: the local replies of a listener.

Every answer carries its decision id. Strangers who navigate are sent to the sign-in host with a
cookie for the way back; all others get 401. gRPC clients get trailers-only answers (16, 7, 8, 14)
from Envoy, never a redirect. Answers of `login` and of the routes' own `respond` pass unchanged:
mappers look at Envoy's reasons, never at a bare status. Nothing of the request is repeated.
"""

from __future__ import annotations

from typing import Final

from ostiary.features.fragment import ListenerSite
from ostiary.features.replies import (
    DECISION,
    NO_STORE,
    Condition,
    Reply,
    both,
    challenge,
    config,
    details,
    flagged,
    grpc,
    has,
    navigation,
    to_sign_in,
    worded,
)
from ostiary.protos.messages import accesslog, core, hcm, matcher, wkt
from ostiary.wire import (
    AUTHZ_FAILED_HEADER,
    RBAC_METADATA,
    SHADOW_RESULT,
    SIGN_IN_PATH,
)

RETRY_AFTER: Final = 5
_DENIED: Final = "rbac_access_denied_matched_policy[{}]"


def edge_replies(listener: ListenerSite) -> hcm.LocalReplyConfig:
    """The replies of an edge listener, the first that fits."""
    strangers = [] if listener.sign_in is None else _strangers(listener, listener.sign_in.origin)
    return config([_FROM_LOGIN, *strangers, *_EDGE, *_COMMON])


def mini_replies() -> hcm.LocalReplyConfig:
    """The replies of a mini gateway."""
    return config([*_MINI, *_COMMON])


def plain_replies() -> hcm.LocalReplyConfig:
    """The replies of a listener that only redirects."""
    return config(_COMMON)


def _strangers(listener: ListenerSite, sign_in: str) -> list[Reply]:
    stranger = _rbac("stranger")
    asked = [challenge(sign_in), NO_STORE]
    json = (
        f'{{"error":"sign-in-required","message":"Nobody is signed in here. Sign in, then repeat '
        f'the request.","sign_in":"{sign_in}{SIGN_IN_PATH}","decision":"{DECISION}"}}\n'
    )
    words = f"nobody is signed in here (decision {DECISION})"
    return [
        Reply(both(stranger, grpc()), 401, words, headers=asked),
        Reply(both(stranger, navigation()), 302, "", headers=to_sign_in(listener, sign_in)),
        Reply(stranger, 401, json, "application/json", asked),
    ]


def _rbac(policy: str) -> accesslog.AccessLogFilter:
    """Envoy's RBAC names a policy that denied; one that did not allow it calls `none`."""
    return details(_DENIED.format(policy))


def _asked_before() -> accesslog.AccessLogFilter:
    """The rules were asked before the slow path and had said no."""
    denied = matcher.ValueMatcher(string_match=matcher.StringMatcher(exact="denied"))
    segment = matcher.MetadataMatcher.PathSegment(key=SHADOW_RESULT)
    metadata = matcher.MetadataMatcher(filter=RBAC_METADATA, path=[segment], value=denied)
    absent = wkt.BoolValue(value=False)
    return Condition(
        metadata_filter=accesslog.MetadataFilter(matcher=metadata, match_if_key_not_found=absent)
    )


def _any_status() -> accesslog.AccessLogFilter:
    least = core.RuntimeUInt32(default_value=100, runtime_key="ostiary.never_set")
    comparison = accesslog.ComparisonFilter(op=accesslog.ComparisonFilter.Op.GE, value=least)
    return Condition(status_code_filter=accesslog.StatusCodeFilter(comparison=comparison))


_LATER: Final = [("retry-after", str(RETRY_AFTER))]
_FROM_LOGIN: Final = Reply(flagged("UAEX"))
_EDGE: Final = [
    Reply(
        _rbac("cross-site"),
        403,
        worded(
            "403 Forbidden",
            "this request came from a page of another site, or does not say where it came from, "
            "and it carries a cookie of this one. Repeat it from the application's own pages.",
        ),
    ),
    Reply(
        both(_rbac("none"), has(AUTHZ_FAILED_HEADER)),
        503,
        worded(
            "503 Service Unavailable",
            "the session has to be renewed, and the sign-in service does not answer. Repeat the "
            "request in a moment.",
        ),
        headers=_LATER,
    ),
    Reply(
        both(_rbac("none"), _asked_before()),
        503,
        worded(
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
        worded(
            "403 Forbidden",
            "this peer is not among the declared callers of the service.",
        ),
    ),
    Reply(
        _rbac("assertion"),
        403,
        worded(
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
        worded("403 Forbidden", "no rule lets this request pass."),
    ),
    Reply(
        details("local_rate_limited"),
        429,
        worded(
            "429 Too Many Requests",
            "the limit of this route is used up for now. Retry-After says when to come back.",
        ),
    ),
    Reply(
        flagged("NR"),
        404,
        worded(
            "404 Not Found",
            "no route has this host, path and method. Host names are written in lower case.",
        ),
    ),
    Reply(
        flagged("UH", "UF", "UO", "NC", "URX", "LH"),
        503,
        worded("503 Service Unavailable", "the resource behind this route cannot be reached."),
        headers=_LATER,
    ),
    Reply(
        flagged("UC", "UR", "LR", "UPE"),
        502,
        worded("502 Bad Gateway", "the resource broke the connection off."),
    ),
    Reply(
        flagged("UT", "SI", "DT"),
        504,
        worded("504 Gateway Timeout", "the resource did not answer in time."),
    ),
    Reply(_any_status()),
]
