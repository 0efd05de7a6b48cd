"""The two jwt filters: who you are by cookie, and what `login` handed over.

`who` accepts a session token of ours, or else notes that an expired one proves "not a stranger".
`handover` accepts the token that `login` put into the request a moment ago; where `login` did not
answer, it accepts a token that expired less than `offline_grace` ago. Both write the claims under
the same metadata key, the later replacing the earlier. Neither refuses: `access` enforces.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ostiary.features.fragment import Filter, Fragment, ListenerSite, Site, Stage
from ostiary.policy.to_rbac import opens_to_all
from ostiary.protos.messages import core, jwt, route, wkt
from ostiary.wire import (
    ASSERTION_CLAIM,
    ASSERTION_HEADER,
    AUTHZ_FAILED_HEADER,
    HANDOVER_AUDIENCE,
    HANDOVER_HEADER,
    JWT_METADATA,
    OFFLINE_HEADER,
    SESSION_AUDIENCE,
    SESSION_COOKIE,
    SESSION_KEY,
    STALE_KEY,
)

CLOCK_SKEW: Final = 5
"""Seconds by which clocks of ours may differ."""
CACHED_TOKENS: Final = 10_000
"""A worker's cache of verified tokens; without one each request pays for a signature check."""
LONGEST_TOKEN: Final = 8_192
"""Bytes of a token that is still cached."""
HANDOVER_LIFETIME: Final = 30


def slots(listener: ListenerSite) -> tuple[Filter, ...]:
    """The filters `who` and `handover`, unless the guard does what they do."""
    if listener.guard:
        return ()
    return (
        Filter(Stage.WHO, Stage.WHO.slot, _who(listener)),
        Filter(Stage.HANDOVER, Stage.HANDOVER.slot, _handover(listener)),
    )


def fragment(site: Site) -> Fragment:
    """Both filters on a route with `login`; the assertion travels to the upstream natively.

    Without rules to fail there is no slow path, and nothing is ever handed over.
    """
    if site.guard:
        return Fragment()
    if site.sign_in is None:
        return Fragment(route=route.Route(request_headers_to_remove=[ASSERTION_HEADER]))
    on = route.FilterConfig(config=wkt.Any())
    slow = {} if opens_to_all(site.levels) else {Stage.HANDOVER.slot: on}
    claims = f"%DYNAMIC_METADATA({JWT_METADATA}:{SESSION_KEY}:{ASSERTION_CLAIM})%"
    return Fragment(
        per_route={Stage.WHO.slot: on, **slow},
        # Envoy removes before it adds, so a forged header never survives an absent claim. Not
        # claim_to_headers: each jwt filter strips the headers that the other one has set.
        route=route.Route(
            request_headers_to_remove=[ASSERTION_HEADER, OFFLINE_HEADER],
            request_headers_to_add=[
                header(ASSERTION_HEADER, claims),
                header(OFFLINE_HEADER, f"%REQ({AUTHZ_FAILED_HEADER})%"),
            ],
        ),
    )


def header(name: str, value: str) -> core.HeaderValueOption:
    """Set `name`, unless `value` turns out empty."""
    action = core.HeaderValueOption.HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD
    return core.HeaderValueOption(
        header=core.HeaderValue(key=name, value=value), append_action=action
    )


def _who(listener: ListenerSite) -> jwt.JwtAuthentication:
    session = _by_cookie(listener, SESSION_KEY, listener.token_lifetime, CLOCK_SKEW)
    old = listener.absolute_lifetime
    stale = _by_cookie(listener, STALE_KEY, old, old)
    return jwt.JwtAuthentication(
        providers={"session": session, "stale": stale},
        rules=[_rule(["session", "stale"])],
        stat_prefix="who",
    )


def _handover(listener: ListenerSite) -> jwt.JwtAuthentication:
    handed = _provider(listener, HANDOVER_AUDIENCE, SESSION_KEY, HANDOVER_LIFETIME, CLOCK_SKEW)
    handed.from_headers.append(jwt.JwtHeader(name=HANDOVER_HEADER))
    providers = {"handover": handed}
    rules = []
    if listener.offline_grace:
        grace, lifetime = listener.offline_grace, listener.token_lifetime
        providers["grace"] = _by_cookie(listener, SESSION_KEY, lifetime, grace)
        rules.append(_rule(["grace"], AUTHZ_FAILED_HEADER))
    rules.append(_rule(["handover"], HANDOVER_HEADER))
    return jwt.JwtAuthentication(providers=providers, rules=rules, stat_prefix="handover")


def _by_cookie(listener: ListenerSite, key: str, lifetime: int, skew: int) -> jwt.JwtProvider:
    provider = _provider(listener, SESSION_AUDIENCE, key, lifetime, skew)
    provider.from_cookies.append(SESSION_COOKIE)
    return provider


def _provider(
    listener: ListenerSite, audience: str, key: str, lifetime: int, skew: int
) -> jwt.JwtProvider:
    """A token of ours for `audience`; `lifetime` bounds what is left of it, in seconds."""
    return jwt.JwtProvider(
        issuer=listener.issuer,
        audiences=[audience],
        require_expiration=True,
        max_lifetime=wkt.Duration(seconds=lifetime + CLOCK_SKEW),
        clock_skew_seconds=skew,
        local_jwks=core.DataSource(inline_string=listener.jwks),
        payload_in_metadata=key,
        jwt_cache_config=jwt.JwtCacheConfig(
            jwt_cache_size=CACHED_TOKENS, jwt_max_token_size=LONGEST_TOKEN
        ),
    )


def _rule(providers: Iterable[str], present: str | None = None) -> jwt.RequirementRule:
    """Try `providers` in turn and go on whatever comes out, where the header `present` is."""
    requirement = jwt.JwtRequirement
    tries = [requirement(provider_name=name) for name in providers]
    tries.append(requirement(allow_missing_or_failed=wkt.Empty()))
    match = route.RouteMatch(prefix="/")
    if present is not None:
        match.headers.append(route.HeaderMatcher(name=present, present_match=True))
    either = jwt.JwtRequirementOrList(requirements=tries)
    return jwt.RequirementRule(match=match, requires=requirement(requires_any=either))
