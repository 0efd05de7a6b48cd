"""The guard on a route: who asks, whether a verdict stands against them, and what ends with it.

Where the installation has the guard it does what jwt filters, cookie scripts and a header of the
route's own do without it, and more: every route has it, so that a verdict on an address holds for
public routes too and ends what is open there. It writes the claims where those filters wrote them;
all stages below read them as before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from ostiary.features.fragment import (
    Filter,
    Fragment,
    ListenerSite,
    SignInSite,
    Site,
    Stage,
)
from ostiary.features.roles import Role, filling, on_route
from ostiary.policy.rules import reads_risk
from ostiary.policy.to_guard import is_asked_by_guard, to_guard
from ostiary.protos.messages import route
from ostiary.wire import ASSERTION_HEADER, COOKIE_PREFIX, HANDOVER_HEADER, SESSION_COOKIE

CLOCK_SKEW: Final = 5
"""Seconds by which clocks of ours may differ."""
HANDOVER_LIFETIME: Final = 30


def slots(listener: ListenerSite) -> tuple[Filter, ...]:
    """Three filters, of which a route has the first and the last, or the one between."""
    if not listener.guard:
        return ()
    return (
        Filter(Stage.WHO, Stage.WHO.slot, filling(Role.WHO, _shown(listener))),
        Filter(Stage.TRUST, Stage.TRUST.slot, filling(Role.ADDRESS, {"prefix": COOKIE_PREFIX})),
        Filter(Stage.HANDOVER, Stage.HANDOVER.slot, filling(Role.HANDOVER, _handed(listener))),
    )


def fragment(site: Site) -> Fragment:
    """Who asks where people sign in, the address elsewhere; clean cookies where ours can be."""
    if not site.guard:
        return Fragment()
    cookies = site.cookies or site.sign_in is not None
    told = _told(site, cookies=cookies)
    if site.sign_in is None:
        # Nothing that a client sends reaches this point; nobody sets one here either.
        nothing = route.Route(request_headers_to_remove=[ASSERTION_HEADER])
        return Fragment(per_route={Stage.TRUST.slot: on_route(Role.ADDRESS, told)}, route=nothing)
    return Fragment(
        per_route={
            Stage.WHO.slot: on_route(Role.WHO, {**told, **_asked(site, site.sign_in)}),
            Stage.HANDOVER.slot: on_route(Role.HANDOVER, told),
        }
    )


def own_pages(site: Site) -> Fragment:
    """A denied address sees no page of ours either; `login` reads its cookies itself."""
    if not site.guard:
        return Fragment()
    told = _told(site, cookies=False)
    return Fragment(per_route={Stage.TRUST.slot: on_route(Role.ADDRESS, told)})


def _told(site: Site, *, cookies: bool) -> Mapping[str, Any]:
    trust = site.blocks.get("trust")
    told: dict[str, Any] = {
        "host": site.host,
        "cookies": cookies,
        "risk": reads_risk(site.levels),
    }
    if trust is not None:
        told["trust"] = getattr(trust, "told", {})
    if site.sign_in is not None and (shown := site.blocks.get("credentials")) is not None:
        told["credentials"] = getattr(shown, "told", {})
    return told


def _asked(site: Site, sign_in: SignInSite) -> Mapping[str, Any]:
    """What `who` must know besides: the rules that it asks, and whether a limit counts users."""
    asked: dict[str, Any] = {}
    if is_asked_by_guard(site.levels):
        asked = {"rules": to_guard(site.levels), "group_set": sign_in.group_set}
    limits = getattr(site.blocks.get("limits"), "limits", ())
    if any(one.per == "user" for one in limits):
        asked["user"] = True
    return asked


def _tokens(listener: ListenerSite) -> dict[str, Any]:
    """What a session token has to be."""
    return {
        "issuer": listener.issuer,
        "jwks": json.loads(listener.jwks),
        "token_lifetime": listener.token_lifetime,
        "skew": CLOCK_SKEW,
        "cookie": SESSION_COOKIE,
        "prefix": COOKIE_PREFIX,
    }


def _shown(listener: ListenerSite) -> dict[str, Any]:
    """The same, and for how long one that is over still proves "not a stranger"."""
    made = {**_tokens(listener), "absolute_lifetime": listener.absolute_lifetime}
    issuers = json.loads(listener.issuers)
    return {**made, "issuers": issuers} if issuers else made


def _handed(listener: ListenerSite) -> dict[str, Any]:
    """The same, and what a token handed over has to be."""
    return {
        **_tokens(listener),
        "lifetime": HANDOVER_LIFETIME,
        "offline_grace": listener.offline_grace,
        "header": HANDOVER_HEADER,
    }
