"""The filters of a mini gateway: is the caller declared, is the assertion real, may the user.

Fed by `plan.Service` and `World`; feeds `mini`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ostiary.features.fragment import Filter, Stage
from ostiary.policy.rules import Level
from ostiary.protos.messages import core, jwt, matcher, rbac, rbac_filter, route, wkt
from ostiary.wire import ASSERTION_HEADER, ASSERTION_KEY, JWT_METADATA, OFFLINE_HEADER

ASSERTION_LIFETIME: Final = 300
"""Seconds an assertion lives; one that claims more is refused."""
CLOCK_SKEW: Final = 5
"""Seconds two clocks of one installation may differ."""
_CACHE: Final = 10_000
"""Verified tokens that are remembered; a verification costs more than all else together."""
_GRACED: Final = "assertion-offline"


@dataclass(frozen=True, slots=True)
class MiniSite:
    """All that the filters of a mini gateway depend on."""

    service_id: str
    callers: tuple[str, ...]
    """SPIFFE ids that may call."""
    level: Level | None
    """The service's own `access`."""
    issuer: str
    jwks: str
    offline_grace: int
    """Seconds an expired assertion passes when the edge says that `login` was away."""


def filters(site: MiniSite) -> tuple[Filter, ...]:
    """Top to bottom; all of them are always on."""
    return (
        Filter(Stage.GATE, "ostiary.peer", _peers(site.callers)),
        Filter(Stage.WHO, Stage.WHO.slot, _assertion(site)),
        Filter(Stage.MAY, Stage.MAY.slot, _may(site.level)),
    )


def _peers(callers: Sequence[str]) -> rbac_filter.RBAC:
    """Only the declared callers; none declared is nobody."""
    who = [
        rbac.Principal(
            authenticated=rbac.Principal.Authenticated(
                principal_name=matcher.StringMatcher(exact=one)
            )
        )
        for one in callers
    ]
    return _only_if(
        rbac.Permission(any=True),
        rbac.Principal(or_ids=rbac.Principal.Set(ids=who)) if who else None,
    )


def _only_if(permission: rbac.Permission, principal: rbac.Principal | None) -> rbac_filter.RBAC:
    rules = rbac.RBAC(action=rbac.RBAC.ALLOW)
    if principal is not None:
        rules.policies["access"].CopyFrom(
            rbac.Policy(permissions=[permission], principals=[principal])
        )
    return rbac_filter.RBAC(rules=rules)


def _assertion(site: MiniSite) -> jwt.JwtAuthentication:
    """A wrong assertion is refused here; a missing one goes on to the rules, which decide."""
    providers = {ASSERTION_KEY: _provider(site, CLOCK_SKEW)}
    requirement = [_rule(ASSERTION_KEY)]
    if site.offline_grace:
        providers[_GRACED] = _provider(site, CLOCK_SKEW + site.offline_grace)
        graced = _rule(_GRACED)
        graced.match.headers.append(_present(OFFLINE_HEADER))
        requirement.insert(0, graced)
    return jwt.JwtAuthentication(providers=providers, rules=requirement)


def _provider(site: MiniSite, skew: int) -> jwt.JwtProvider:
    return jwt.JwtProvider(
        issuer=site.issuer,
        audiences=[site.service_id],
        local_jwks=core.DataSource(inline_string=site.jwks),
        from_headers=[jwt.JwtHeader(name=ASSERTION_HEADER)],
        forward=True,
        payload_in_metadata=ASSERTION_KEY,
        require_expiration=True,
        max_lifetime=wkt.Duration(seconds=ASSERTION_LIFETIME),
        clock_skew_seconds=skew,
        jwt_cache_config=jwt.JwtCacheConfig(jwt_cache_size=_CACHE),
    )


def _rule(provider: str) -> jwt.RequirementRule:
    missing = jwt.JwtRequirement(allow_missing=wkt.Empty())
    either = [jwt.JwtRequirement(provider_name=provider), missing]
    return jwt.RequirementRule(
        match=route.RouteMatch(prefix="/"),
        requires=jwt.JwtRequirement(requires_any=jwt.JwtRequirementOrList(requirements=either)),
    )


def _present(name: str) -> route.HeaderMatcher:
    return route.HeaderMatcher(name=name, present_match=True)


def _may(level: Level | None) -> rbac_filter.RBAC:
    """The service's own `access`; without one any user with an assertion for this service."""
    if level is None:
        return _only_if(rbac.Permission(sourced_metadata=_asserted()), rbac.Principal(any=True))
    raise NotImplementedError(level)


def _asserted() -> rbac.SourcedMetadata:
    return rbac.SourcedMetadata(
        metadata_matcher=matcher.MetadataMatcher(
            filter=JWT_METADATA,
            path=[
                matcher.MetadataMatcher.PathSegment(key=ASSERTION_KEY),
                matcher.MetadataMatcher.PathSegment(key="sub"),
            ],
            value=matcher.ValueMatcher(present_match=True),
        ),
        metadata_source=rbac.MetadataSource.DYNAMIC,
    )
