"""The identity features as values: what each asks for, and that nothing is asked for in vain."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ostiary.features import (
    access,
    assertion,
    cross_site,
    forms,
    gate,
    hygiene,
    limits,
    login,
    refusals,
    sessions,
)
from ostiary.features.fragment import Fragment, ListenerSite, SignInSite, Site, Stage
from ostiary.features.limits import Limit, Limits
from ostiary.names import local
from ostiary.policy.rules import Effect, Level, Rule

SIGN_IN = SignInSite("login.test", "https://login.test", "gv")
LISTENER = ListenerSite(
    issuer="ostiary",
    jwks='{"keys":[]}',
    authz_cluster="authz",
    port=443,
    sign_in=SIGN_IN,
    token_lifetime=60,
    absolute_lifetime=43_200,
    offline_grace=3_600,
)
STAFF = (Level("route r", (Rule("staff", Effect.ALLOW, groups=("staff",)),)),)
OPEN = (Level("route r", (Rule("all", Effect.ALLOW, public=True),)),)
SITE = Site(local("r"), "a.test", "https://a.test", STAFF, "hash", SIGN_IN)
SLOT_FEATURES = (forms, limits, sessions, access, gate, login, hygiene)
GUARDS = (cross_site, sessions, access, gate, login, hygiene)


def _jwt_filters() -> list[object]:
    mini = assertion.MiniSite("ostiary", '{"keys":[]}', "spiffe://t/s", "gv", 3_600)
    return [*(one.config for one in sessions.slots(LISTENER)), assertion.verify(mini, None)]


def test_every_jwt_provider_is_strict_and_cached() -> None:
    """DESIGN, section 3; the defaults accept a token without `exp`, and one a minute late."""
    providers = [p for config in _jwt_filters() for p in config.providers.values()]  # type: ignore[attr-defined]
    assert len(providers) == 6
    for provider in providers:
        assert provider.issuer
        assert len(provider.audiences) == 1
        assert provider.require_expiration
        assert provider.max_lifetime.seconds > 0
        assert provider.clock_skew_seconds >= 5
        assert list(provider.from_cookies) or list(provider.from_headers)
        assert provider.jwt_cache_config.jwt_cache_size >= 10_000


def test_without_grace_there_is_no_second_chance() -> None:
    _, handover = sessions.slots(replace(LISTENER, offline_grace=0))
    assert set(handover.config.providers) == {"handover"}  # type: ignore[attr-defined]
    assert len(handover.config.rules) == 1  # type: ignore[attr-defined]


def test_each_slot_is_filled_once_by_its_own_stage() -> None:
    slots = [one for feature in SLOT_FEATURES for one in feature.slots(LISTENER)]
    assert len({one.name for one in slots}) == len(slots) == 12
    assert all(one.name == one.stage.slot for one in slots)


def test_slots_do_not_depend_on_the_port() -> None:
    """They go to ECDS, one of a name for all listeners of a gateway."""
    other = replace(LISTENER, port=8443)
    for feature in SLOT_FEATURES:
        assert feature.slots(LISTENER) == feature.slots(other)


def test_a_route_open_to_all_without_login_pays_nothing() -> None:
    site = replace(SITE, levels=OPEN, sign_in=None)
    assert all(not guard.fragment(site).per_route for guard in GUARDS)


def test_a_route_open_to_all_with_login_has_no_slow_path() -> None:
    site = replace(SITE, levels=OPEN)
    asked = {name for guard in GUARDS for name in guard.fragment(site).per_route}
    assert asked == {Stage.GATE.slot, Stage.WHO.slot, Stage.HYGIENE.slot, Stage.FORGERIES.slot}


def test_a_route_with_login_has_every_stage() -> None:
    asked = {name for guard in GUARDS for name in guard.fragment(SITE).per_route}
    stages = (
        set(Stage)
        - {
            Stage.SHED,
            Stage.PAGES,
            Stage.CORS,
            Stage.TRUST,
            Stage.WAF_HEAD,
            Stage.WAF_BODY,
            Stage.HOW_MUCH,
            Stage.WHOLE,
            Stage.ROUTE,
        }
        - {stage for stage in Stage if stage.slow}
    )
    assert asked == {stage.slot for stage in stages}


def test_a_route_without_login_still_enforces() -> None:
    site = replace(SITE, sign_in=None)
    (may,) = access.fragment(site).per_route.values()
    assert not may.rbac.rules.policies  # type: ignore[attr-defined]  nobody is ever known there


def test_no_level_means_that_nobody_passes() -> None:
    may = access.fragment(replace(SITE, levels=())).per_route[Stage.MAY.slot]
    assert set(may.rbac.rules.policies) == {"already"}  # type: ignore[attr-defined]


def test_public_routes_of_a_host_with_cookies_are_cleaned_too() -> None:
    site = replace(SITE, levels=OPEN, sign_in=None, cookies=True)
    asked = set(hygiene.fragment(site).per_route)
    assert asked == {Stage.HYGIENE.slot, Stage.FORGERIES.slot}


def test_limits_fill_only_the_stage_they_need() -> None:
    by_user = Limits(limits=(Limit(rate="1/s", per="user"),)).fragment(SITE)
    assert set(by_user.per_route) == {Stage.HOW_MUCH.slot}
    both = Limits(limits=(Limit(rate="1/s", per="user"), Limit(rate="100/m"))).fragment(SITE)
    assert set(both.per_route) == {Stage.HOW_MUCH.slot, Stage.SHED.slot}
    assert Limits(limits=()).fragment(SITE) == Fragment()


@pytest.mark.parametrize(
    ("rate", "burst", "bucket"),
    [
        ("5/s", None, (5, 5, 1)),
        ("100/m", None, (100, 100, 60)),
        ("7/h", 20, (20, 7, 3_600)),
    ],
)
def test_a_rate_is_a_bucket(rate: str, burst: int | None, bucket: tuple[int, int, int]) -> None:
    made = Limits(limits=(Limit(rate=rate, burst=burst),)).fragment(SITE)
    config = made.per_route[Stage.SHED.slot]
    (descriptor,) = config.descriptors  # type: ignore[attr-defined]
    token = descriptor.token_bucket
    assert (token.max_tokens, token.tokens_per_fill.value, token.fill_interval.seconds) == bucket
    assert config.max_dynamic_descriptors.value == limits.MOST_BUCKETS  # type: ignore[attr-defined]


def test_no_redirect_without_a_sign_in_host() -> None:
    alone = refusals.edge_replies(replace(LISTENER, sign_in=None))
    statuses = [mapper.status_code.value for mapper in alone.mappers]
    assert 302 not in statuses
    assert 302 in [m.status_code.value for m in refusals.edge_replies(LISTENER).mappers]


def test_every_reply_carries_its_decision() -> None:
    for replies in (refusals.edge_replies(LISTENER), refusals.mini_replies()):
        for mapper in replies.mappers:
            assert "x-ostiary-decision" in {h.header.key for h in mapper.headers_to_add}


def test_a_mini_gateway_without_declared_callers_takes_nobody() -> None:
    (refuse,) = assertion.callers([]).rules.policies.values()
    assert refuse.principals[0].any
