"""What Envoy's `response_code_details` and flags mean, in words: refusals that no rule decided.

Pure. Fed by one record of the decision log; feeds `explain`. The words come from Envoy 1.40's
`stream_info.h` and from the filters named beside them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ostiary.plan.credential_words import REASONS, words
from ostiary.plan.record import DecisionRecord
from ostiary.plan.waf_words import said
from ostiary.wire import NO_VERDICT

FORBIDDEN, UNAVAILABLE, BAD_REQUEST = 403, 503, 400
FIRST_ERROR: Final = 400
_RBAC: Final = "rbac_access_denied_matched_policy["
_OWN: Final = "ostiary/ostiary/"
"""How the names of our own routes begin."""
_GUARD: Final = "ostiary."
"""How the guard's own reasons begin."""
_WAF: Final = "ostiary.waf_"
_OFTEN: Final = "more often than a person would, so it was turned away before `login`"


class Stage(StrEnum):
    """Which part of the way an answer came from."""

    APPLICATION = "the application"
    GATEWAY = "the gateway's own answer"
    PATH = "the path guard"
    CROSS_SITE = "the cross-site check"
    GATE = "the gate"
    RULES = "access"
    LOGIN = "login"
    LOGIN_AWAY = "login is away"
    LIMITS = "limits"
    COOKIES = "the cookie check"
    CREDENTIAL = "the credential check"
    TRUST = "trust"
    WAF = "waf"
    CALLER = "the caller check"
    ASSERTION = "the assertion check"
    ROUTING = "routing"
    UPSTREAM = "the way to the resource"
    CLIENT = "the client"
    FAULT = "a faulty document"
    PROTOCOL = "the HTTP rules"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Native:
    """Where an answer came from, why, and what can be done."""

    stage: Stage
    sentence: str
    remedy: str = ""


def is_mini_gateway(record: DecisionRecord) -> bool:
    """Whether the record was written beside a resource rather than at the edge."""
    return "/service/" in record.proxy


def read(record: DecisionRecord) -> Native:
    """Where the answer of `record` came from. Never a guess: else `Stage.UNKNOWN` with the code."""
    details = record.details.partition("{")[0]
    if details.startswith(_WAF):
        return _waf(record, details)
    if record.effect or details.startswith(_GUARD):
        return _guard(record, details)
    if details == "via_upstream":
        return _application(record)
    if details.startswith(_RBAC):
        return _rbac(record, details.removeprefix(_RBAC).removesuffix("]"))
    for found in (
        _unsound(record, details) or _EXACT.get(details),
        _login(record, details),
        _limits(record, details),
        _upstream(record, details),
        _malformed(record, details),
    ):
        if found is not None:
            return found
    return Native(
        Stage.UNKNOWN,
        f"the proxy answered {record.code} and said {record.details or 'nothing about why'}",
    )


def _guard(record: DecisionRecord, details: str) -> Native:
    """A verdict refused the request, or ended what was on its way; or the guard could not say."""
    if record.effect == NO_VERDICT and record.reason in REASONS:
        return Native(Stage.CREDENTIAL, *words(record.reason))
    if record.effect == NO_VERDICT:  # gRPC hears of it in trailers, so Envoy has no details
        details = f"{_GUARD}{record.reason.replace('-', '_')}"
    if details in _GUARDS:
        return _GUARDS[details]
    verdict = f"the verdict {record.verdict} ({record.reason or 'without a reason'})"
    lift = "`ostiary verdict lift` takes it back; else wait until it is over"
    if record.effect == "limit":
        return Native(Stage.LIMITS, f"{verdict} allows fewer requests than were made", lift)
    if record.effect == "step-up":
        return Native(Stage.TRUST, f"{verdict} asks for another sign-in", "sign in again")
    if not record.method:
        return Native(Stage.TRUST, f"trust was withdrawn: {verdict} closed the connection", lift)
    refused = details.startswith(_GUARD) and record.code >= FIRST_ERROR
    did = "refused the request" if refused else "ended what was already on its way"
    again = "sign in again" if details == "ostiary.session_ended" else lift
    return Native(Stage.TRUST, f"trust was withdrawn: {verdict} {did}", again)


def _waf(record: DecisionRecord, details: str) -> Native:
    """Rules stopped the request or its answer, or could not look at all of it."""
    found = said(record.waf)
    if details in _WAFS or found is None:
        return _WAFS.get(details) or Native(Stage.WAF, "a rule of `waf` stopped the request")
    why = found.message or "a rule of `waf` matched"
    where = f", at {found.place}" if found.place else ""
    what = "the answer" if found.phase > _REQUEST_PHASES else "the request"
    return Native(
        Stage.WAF,
        f"{why}{where}; the rule {found.by} stopped {what}",
        "if this was no attack, exclude the rule for this part of the request (`waf.exclude`); "
        "`ostiary waf tune` proposes that from a log of shadow mode",
    )


_REQUEST_PHASES: Final = 2
_WAFS: Final = {
    "ostiary.waf_body_limit": Native(
        Stage.WAF,
        "the body is longer than `waf.body_limit` of this route, and none is looked into by half",
        "send less, or raise the limit for this route",
    ),
    "ostiary.waf_encoding": Native(
        Stage.WAF,
        "the body is encoded (Content-Encoding) in a way that no rule can look into",
        "send it plain",
    ),
    "ostiary.waf_body": Native(
        Stage.WAF,
        "the body cannot be read as what its Content-Type says it is, so no rule saw all of it",
        "send a body that is what it says it is",
    ),
    "ostiary.waf_exhausted": Native(
        Stage.WAF,
        "looking into the request took more work than `waf.budget` allows for one",
        "send less at once, or raise `waf.budget`, or write `waf.exhausted: flag` for this route",
    ),
    "ostiary.waf_busy": Native(
        Stage.WAF,
        "the proxy holds as many bodies as it may, or has done its share of work for this address",
        "repeat the request in a moment; `waf.buffer` and `waf.strangers` of the gateway say how "
        "much that is",
    ),
}


def _application(record: DecisionRecord) -> Native:
    if record.code >= FIRST_ERROR:
        return Native(
            Stage.APPLICATION,
            f"the request passed every check; the application itself answered {record.code}",
            "ask the application's own log",
        )
    return Native(Stage.APPLICATION, "the request passed every check and was answered")


def _rbac(record: DecisionRecord, policy: str) -> Native:
    """A policy that refuses has a name; `none` is said where no rule let the request pass."""
    if policy in _POLICIES:
        return _POLICIES[policy]
    if policy == "caller":
        return _caller(record)
    if record.code == UNAVAILABLE:
        return _LOGIN_AWAY
    return Native(Stage.RULES, "no rule let the request pass")


def _caller(record: DecisionRecord) -> Native:
    peer = record.peer or "a peer without a SPIFFE id"
    return Native(
        Stage.CALLER,
        f"{peer} is no declared caller of this service",
        "requests come through a gateway that `mini_gateway.callers` names",
    )


_GUARDS: Final = {
    "ostiary.trust_stale": Native(
        Stage.TRUST,
        "the proxy had not heard from the control plane for longer than `trust.stale_after`, so "
        "the request was refused or, where it was under way, ended",
        "see `ostiary status` for the proxy",
    ),
    "ostiary.trust_full": Native(
        Stage.TRUST,
        "the proxy cannot hold all verdicts, and this route has `trust`: the request was refused "
        "or, where it was under way, ended",
        "see `ostiary status` for the proxy; lift verdicts that are over",
    ),
    "ostiary.guard_failed": Native(
        Stage.TRUST, "the guard could not look at the request: please report this"
    ),
    "ostiary.cookies_twice": Native(
        Stage.COOKIES,
        "the request has two cookies of one name of ours, and only a forger needs two",
        "delete the cookies of this host and sign in again",
    ),
}
_STRANGER: Final = Native(
    Stage.GATE, "nobody was signed in, and the route asks who is there", "sign in"
)
_ASSERTION: Final = Native(
    Stage.ASSERTION,
    "the request brought no valid identity assertion for this service",
    "requests come from a person who signed in at a gateway; "
    "the gateway's certificate alone opens nothing",
)


_CROSS_SITE: Final = Native(
    Stage.CROSS_SITE,
    "the request came from another site's page, and carries a cookie of this one",
    "send it from the application's own pages, or list the origin under `cors`",
)
_LOGIN_AWAY: Final = Native(
    Stage.LOGIN_AWAY,
    "the session had to be renewed, and `login` did not answer",
    "see `ostiary status`; the request can be repeated",
)
_PATH: Final = Native(
    Stage.PATH,
    "the path has an escape or a character that could mean two things",
    "send the path without %2F, %5C, `;` and double escapes",
)


def _unsound(record: DecisionRecord, details: str) -> Native | None:
    """The guard marks such a request before a route is looked for, and there is none then."""
    return _UNSOUND if details == "route_not_found" and record.code == BAD_REQUEST else None


_UNSOUND: Final = Native(
    Stage.PATH,
    "the path has an escape or a character that could mean two things, or the host name has one "
    "that no host name has",
    "send the path without %2F, %5C, `;` and double escapes, and the plain host name",
)
_POLICIES: Final = {
    "assertion": _ASSERTION,
    "cross-site": _CROSS_SITE,
    "host-guard": Native(
        Stage.PATH,
        "the host name has characters that no host name has, or capital letters",
        "send the plain host name in lower case",
    ),
    "path-guard": _PATH,
    "stranger": _STRANGER,
}
_EXACT: Final = {
    "path_normalization_failed": _PATH,
    "route_not_found": Native(
        Stage.ROUTING,
        "no route has this host, path and method",
        "`ostiary effective ROUTE` shows what a route answers",
    ),
    "cluster_not_found": Native(Stage.ROUTING, "the route's service is not known to the proxy yet"),
    "lua_response": Native(
        Stage.COOKIES,
        "the request has two cookies of one name of ours, and only a forger needs two",
        "delete the cookies of this host and sign in again",
    ),
    "ext_authz_error": _LOGIN_AWAY,
    "no_healthy_upstream": Native(
        Stage.UPSTREAM, "no address of the service is healthy", "start the service"
    ),
    "overload": Native(Stage.UPSTREAM, "the proxy is over its own limits", "ask again later"),
    "downstream_remote_disconnect": Native(
        Stage.CLIENT, "the client went away before the answer was complete"
    ),
    "stream_idle_timeout": Native(
        Stage.UPSTREAM, "no byte passed for longer than `timeouts.idle` allows"
    ),
    "request_header_timeout": Native(Stage.CLIENT, "the client sent its headers too slowly"),
    "upstream_response_timeout": Native(
        Stage.UPSTREAM, "the application did not answer within `timeouts.request`"
    ),
    "upstream_per_try_timeout": Native(
        Stage.UPSTREAM, "the application did not answer within the time of one try"
    ),
}


def _login(record: DecisionRecord, details: str) -> Native | None:
    """`ext_authz` and `jwt_authn`."""
    if details.startswith("jwt_authn_access_denied"):
        reason = record.details.partition("{")[2].rstrip("}").replace("_", " ")
        if is_mini_gateway(record):
            return _ASSERTION
        return Native(Stage.CREDENTIAL, f"the credential is not valid: {reason}", "sign in again")
    if details != "ext_authz_denied":
        return None
    if record.code == FORBIDDEN:
        return Native(Stage.RULES, "no rule let the request pass")
    if record.code == UNAVAILABLE:
        return Native(
            Stage.LOGIN,
            "a token minted a moment ago did not pass at the proxy: its keys or clock are behind",
            "see `ostiary status` for the proxy",
        )
    return Native(Stage.LOGIN, "the session is over", "sign in again")


def _limits(record: DecisionRecord, details: str) -> Native | None:
    """`local_ratelimit`; per address it counts before anybody has looked at the credential."""
    if details != "local_rate_limited":
        return None
    if record.route.startswith(_OWN):
        return Native(Stage.LIMITS, f"the address {record.client} asked our own pages {_OFTEN}")
    if record.shadow == "denied":
        who = record.subject or "this account"
        return Native(Stage.LIMITS, f"{who} asked for what the rules deny {_OFTEN}")
    if record.credential in {"session", "assertion", "bearer", "api-key"}:
        who = f"the user {record.subject}"
    else:
        who = f"the address {record.client}"
    return Native(
        Stage.LIMITS,
        f"{who} has asked more often than `limits` of this route allows",
        "wait, or raise the rate",
    )


def _upstream(record: DecisionRecord, details: str) -> Native | None:
    """The router's words; the transport's own words say more where there are any."""
    if not details.startswith("upstream_"):
        return None
    failure = record.failure.replace("_", " ")
    if "CERTIFICATE" in failure or "TLS" in failure:
        return Native(
            Stage.UPSTREAM,
            f"the resource's mini gateway did not prove who it is: {failure}",
            "see `ostiary status` for the mini gateway and its certificate",
        )
    if "upstream_connection_failure" in record.flags:
        why = f": {failure}" if failure else ""
        return Native(
            Stage.UPSTREAM,
            f"the service could not be reached{why}",
            "start it, or mend its address",
        )
    what = details.replace("_", " ")
    return Native(Stage.UPSTREAM, f"the connection to the service broke ({what})")


def _malformed(record: DecisionRecord, details: str) -> Native | None:
    """The codecs' words begin with their protocol; the connection manager's are listed."""
    if details == "direct_response":
        return _direct(record)
    own = {
        "low_version",
        "missing_host_header",
        "missing_path_rejected",
        "request_headers_too_large",
        "request_payload_too_large",
        "upgrade_failed",
        "invalid_envoy_request_headers",
    }
    if details in own or details.startswith(("http1.", "http2.")):
        words = details.replace("_", " ")
        return Native(Stage.PROTOCOL, f"the request is not sound HTTP ({words})")
    return None


def _direct(record: DecisionRecord) -> Native:
    if record.code == BAD_REQUEST and not record.policy:
        return _EXACT["path_normalization_failed"]
    if record.code == UNAVAILABLE:
        return Native(
            Stage.FAULT,
            "the route's block is faulty, so all its traffic is refused",
            "`ostiary status` names the line to mend",
        )
    if record.code == FORBIDDEN:
        return Native(
            Stage.RULES,
            "the route has no `access`, so nobody may pass",
            "give the route an `access`",
        )
    return Native(Stage.GATEWAY, f"the gateway answered {record.code} by itself, as written")
