"""Each shape that Envoy loads and that fails open is found, however deep it is packed."""

from __future__ import annotations

import pytest
from google.protobuf.message import Message

from ostiary.compiler.clusters import mutual_tls
from ostiary.compiler.lint import findings, lint
from ostiary.compiler.resources import SCOPE, View, resource
from ostiary.errors import CompileError
from ostiary.protos import pack
from ostiary.protos.messages import (
    cel,
    core,
    jwt,
    matcher,
    rbac,
    rbac_filter,
    route,
    tls,
    wkt,
    xds_core,
    xds_matcher,
)


def _provider() -> jwt.JwtProvider:
    return jwt.JwtProvider(
        require_expiration=True,
        max_lifetime=wkt.Duration(seconds=60),
        clock_skew_seconds=5,
        from_cookies=["a"],
        jwt_cache_config=jwt.JwtCacheConfig(jwt_cache_size=10_000),
    )


def _packed(message: Message) -> list[str]:
    filled = core.TypedExtensionConfig(name="x", typed_config=pack(message))
    return list(findings(filled))


def test_a_sound_provider_is_not_mentioned() -> None:
    assert _packed(jwt.JwtAuthentication(providers={"a": _provider()})) == []


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("require_expiration", "without an expiry"),
        ("max_lifetime", "longest lifetime"),
        ("clock_skew_seconds", "clock skew"),
        ("from_cookies", "Authorization"),
        ("jwt_cache_config", "cache"),
    ],
)
def test_a_provider_that_lacks_a_safeguard_is_found(field: str, words: str) -> None:
    provider = _provider()
    provider.ClearField(field)
    found = _packed(jwt.JwtAuthentication(providers={"a": provider}))
    assert len(found) == 1
    assert words in found[0]


def test_upstream_tls_of_envoy_s_own_defaults_is_found() -> None:
    assert len(_packed(tls.UpstreamTlsContext())) == 2
    assert list(findings(mutual_tls("spiffe://test/x"))) == []


def test_a_checked_condition_is_found() -> None:
    policy = rbac.Policy()
    policy.checked_condition.CopyFrom(cel.CheckedExpr())
    rules = rbac.RBAC(policies={"a": policy})
    assert len(_packed(rbac_filter.RBAC(rules=rules))) == 1


def test_a_map_on_dynamic_metadata_is_found() -> None:
    inputs = wkt.Any(
        type_url="type.googleapis.com/envoy.extensions.matching.common_inputs.network.v3."
        "DynamicMetadataInput"
    )
    tree = xds_matcher.Matcher.MatcherTree(
        input=xds_core.TypedExtensionConfig(name="x", typed_config=inputs),
        exact_match_map=xds_matcher.Matcher.MatcherTree.MatchMap(),
    )
    assert len(_packed(rbac_filter.RBAC(matcher=xds_matcher.Matcher(matcher_tree=tree)))) == 1


def test_two_scopes_with_one_key_are_found() -> None:
    key = route.ScopedRouteConfiguration.Key(
        fragments=[route.ScopedRouteConfiguration.Key.Fragment(string_key="https|a")]
    )
    scopes = {
        name: resource(SCOPE, name, route.ScopedRouteConfiguration(name=name, key=key))
        for name in ("one", "two")
    }
    with pytest.raises(CompileError, match="2 scopes"):
        lint(View("spiffe://test/x", {SCOPE: scopes}, frozenset()))


def test_an_exact_matcher_is_no_finding() -> None:
    assert list(findings(matcher.StringMatcher(exact="a"))) == []
