"""At a mini gateway: who calls, for whom, and by which assertion.

The edge's certificate alone opens nothing. The peer's SPIFFE id must be a declared caller, and the
user assertion that came with the request is verified again: signature, audience (this service),
life, and its `host` claim against the request's authority.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.message import Message

from ostiary.features.roles import Role, filling
from ostiary.policy.rules import Effect, Level, Rule, reads_risk
from ostiary.policy.to_rbac import Credential, anybody, is_for_host, never, policy, some, to_rbac
from ostiary.protos.messages import core, jwt, matcher, rbac, rbac_filter, route, wkt
from ostiary.wire import ASSERTION_HEADER, ASSERTION_KEY, OFFLINE_HEADER

LIFETIME: Final = 300
"""Seconds that an assertion lives (DESIGN, section 3)."""
CLOCK_SKEW: Final = 5
CALLER: Final = "caller"
"""The policy that refused the peer, as the decision log and `refusals` see it."""
MISSING: Final = "assertion"
"""The policy that refused a request without a valid assertion, as they see it."""
_ANYBODY_KNOWN: Final = Rule(name="any assertion", effect=Effect.ALLOW)
_CACHED_TOKENS: Final = 10_000
_LONGEST_TOKEN: Final = 8_192


@dataclass(frozen=True, slots=True)
class MiniSite:
    """What the filters of one mini gateway must know."""

    issuer: str
    jwks: str
    audience: str
    """The SPIFFE id of the service: what an assertion must be addressed to."""
    group_set: str
    """`gv`: the hash of all group names that policies name."""
    offline_grace: int
    """Seconds an assertion may be expired in a request that the edge marked as offline."""
    guard: bool = False
    """Whether the proxy has the guard, which then verifies."""
    trust: Mapping[str, Any] | None = None
    """What the guard does while the newest verdicts may be missing; see `features.trust`."""


def verify(site: MiniSite, level: Level | None) -> Message:
    """Check the assertion if there is one; `may` enforces. It goes on to the application."""
    if site.guard:
        return filling(Role.ASSERTION, _told(site, level))
    providers = {"assertion": _provider(site, CLOCK_SKEW)}
    rules = []
    if site.offline_grace:
        providers["grace"] = _provider(site, site.offline_grace)
        offline = route.HeaderMatcher(name=OFFLINE_HEADER, present_match=True)
        rules.append(_rule("grace", route.RouteMatch(prefix="/", headers=[offline])))
    rules.append(_rule("assertion", route.RouteMatch(prefix="/")))
    return jwt.JwtAuthentication(providers=providers, rules=rules, stat_prefix="assertion")


def callers(spiffe_ids: Iterable[str]) -> rbac_filter.RBAC:
    """Refuse every peer whose certificate's URI is not one of `spiffe_ids`; checked per request."""
    names = [matcher.StringMatcher(exact=one) for one in sorted(spiffe_ids)]
    principal = rbac.Principal
    known = [principal(authenticated=principal.Authenticated(principal_name=n)) for n in names]
    stranger = principal(any=True)
    if known:
        stranger = principal(not_id=principal(or_ids=principal.Set(ids=known)))
    refuse = rbac.Policy(permissions=[rbac.Permission(any=True)], principals=[stranger])
    action = rbac.RBAC.Action.DENY
    return rbac_filter.RBAC(rules=rbac.RBAC(action=action, policies={CALLER: refuse}))


def present(level: Level | None) -> rbac_filter.RBAC:
    """Refuse what has no valid assertion, unless the service's own `access` needs none for it."""
    open_to_all = False if level is None else anybody((level,))
    known = is_for_host(Credential("*", "", ASSERTION_KEY))
    missing = policy(never(some([known, open_to_all])))
    action = rbac.RBAC.Action.DENY
    return rbac_filter.RBAC(rules=rbac.RBAC(action=action, policies={MISSING: missing}))


def may(site: MiniSite, level: Level | None) -> rbac_filter.RBAC:
    """The service's own `access`, asked again; without one, any assertion for this service."""
    asked = level or Level("service", (_ANYBODY_KNOWN,))
    credential = Credential("*", site.group_set, ASSERTION_KEY)
    return rbac_filter.RBAC(rules=to_rbac([asked], credential))


def _told(site: MiniSite, level: Level | None) -> dict[str, Any]:
    """What the guard must know; of the one route too, for that stands in the listener."""
    there: dict[str, Any] = {"host": "*", "cookies": False}
    there["risk"] = level is not None and reads_risk((level,))
    if site.trust is not None:
        there["trust"] = site.trust
    return {
        "issuer": site.issuer,
        "jwks": json.loads(site.jwks),
        "audience": site.audience,
        "lifetime": LIFETIME,
        "skew": CLOCK_SKEW,
        "offline_grace": site.offline_grace,
        "header": ASSERTION_HEADER,
        "route": there,
    }


def _provider(site: MiniSite, skew: int) -> jwt.JwtProvider:
    return jwt.JwtProvider(
        issuer=site.issuer,
        audiences=[site.audience],
        require_expiration=True,
        max_lifetime=wkt.Duration(seconds=LIFETIME + CLOCK_SKEW),
        clock_skew_seconds=skew,
        local_jwks=core.DataSource(inline_string=site.jwks),
        from_headers=[jwt.JwtHeader(name=ASSERTION_HEADER)],
        forward=True,
        payload_in_metadata=ASSERTION_KEY,
        jwt_cache_config=jwt.JwtCacheConfig(
            jwt_cache_size=_CACHED_TOKENS, jwt_max_token_size=_LONGEST_TOKEN
        ),
    )


def _rule(provider: str, match: route.RouteMatch) -> jwt.RequirementRule:
    requirement = jwt.JwtRequirement
    tries = [
        requirement(provider_name=provider),
        requirement(allow_missing_or_failed=wkt.Empty()),
    ]
    either = jwt.JwtRequirementOrList(requirements=tries)
    return jwt.RequirementRule(match=match, requires=requirement(requires_any=either))
