"""Cross-site requests: what a page of another site makes a browser send with our cookie.

An unsafe method with a cookie of ours, and every upgrade, must come from the application's own
pages: `Sec-Fetch-Site` says same-origin or none, or else `Origin` is the host itself or listed in
`cors`. Sibling subdomains are strangers. Checked before the slow path could refresh a session, in
the filter that `gate` fills.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ostiary.features.fragment import Fragment, Site, Stage
from ostiary.policy.to_rbac import every, is_wildcard, never, policy, some
from ostiary.protos.messages import matcher, rbac, rbac_filter, route
from ostiary.wire import COOKIE_PREFIX

CROSS_SITE: Final = "cross-site"
"""The policy that refused the request, as the decision log and `refusals` see it."""
SAFE_METHODS: Final = ("GET", "HEAD", "OPTIONS")
"""RFC 9110, section 9.2.1; TRACE is not among them, for nobody needs it with a cookie."""
OWN_SITES: Final = ("same-origin", "none")
"""`Sec-Fetch-Site` of our own pages, and of what a person typed or bookmarked."""


def fragment(site: Site) -> Fragment:
    """Refuse forgeries on routes that a cookie of ours can open, the own ones included."""
    if site.sign_in is None:
        return Fragment()
    forged = policy(every([_needs_proof(), never(_is_ours(site))]))
    rules = rbac.RBAC(action=rbac.RBAC.Action.DENY, policies={CROSS_SITE: forged})
    refuse = rbac_filter.RBACPerRoute(rbac=rbac_filter.RBAC(rules=rules))
    return Fragment(per_route={Stage.GATE.slot: refuse})


def _needs_proof() -> rbac.Permission | bool:
    """Most requests end at the first two tests: no upgrade, and a safe method."""
    upgrade = rbac.Permission(header=route.HeaderMatcher(name="upgrade", present_match=True))
    unsafe = never(some(_header(":method", exact=method) for method in SAFE_METHODS))
    return some([upgrade, every([unsafe, _header("cookie", contains=COOKIE_PREFIX)])])


def _is_ours(site: Site) -> rbac.Permission | bool:
    """Below a wildcard host the own origin is not known beforehand: `Sec-Fetch-Site` must say."""
    origins: Sequence[str] = getattr(site.blocks.get("cors"), "origins", ())
    own = [] if is_wildcard(site.host) else [site.origin]
    return some(
        [
            *(_header("sec-fetch-site", exact=value) for value in OWN_SITES),
            *(_header("origin", exact=origin) for origin in [*own, *origins]),
        ]
    )


def _header(name: str, *, exact: str = "", contains: str = "") -> rbac.Permission:
    if contains:
        match = matcher.StringMatcher(contains=contains)
    else:
        match = matcher.StringMatcher(exact=exact)
    return rbac.Permission(header=route.HeaderMatcher(name=name, string_match=match))
