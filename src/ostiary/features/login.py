"""`login`: which sign-in a route accepts, and the slow path to it.

Envoy asks `login` only when the route's own rules denied what `sessions` could verify. One call
serves silent refresh, redirect, step-up and the refusal page. When `login` does not answer within
two seconds the request goes on with a mark, and `access` denies it unless `offline_grace` holds.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final

from pydantic import Field

from ostiary.features.fragment import (
    Block,
    Filter,
    Fragment,
    ListenerSite,
    Merge,
    Site,
    Stage,
)
from ostiary.policy.to_rbac import opens_to_all, shadow_result
from ostiary.protos.messages import core, ext_authz, matcher, mutation_rules, wkt
from ostiary.wire import (
    CONTEXT_POLICY,
    CONTEXT_ROUTE,
    CREDENTIAL_HEADER,
    HANDOVER_HEADER,
    JWT_METADATA,
    TRUST_METADATA,
)

TIMEOUT: Final = 2
"""Seconds that `login` has."""
SEEN_BY_LOGIN: Final = (
    "accept",
    "accept-language",
    "content-type",
    "cookie",
    "origin",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "upgrade",
    "user-agent",
    "x-request-id",
)
"""Request headers that `login` gets; no other leaves the proxy, such as a credential."""


class Login(Block):
    """`login: {with: [local]}`, or `login: true` for every provider of the document."""

    feature: ClassVar[str] = "login"
    providers: Annotated[list[str] | None, Merge.SUBSET] = Field(default=None, alias="with")
    """Names under `identity.providers`; none written: all of them."""


def slots(listener: ListenerSite) -> tuple[Filter, ...]:
    """The call; it may change nothing in the request but the handed-over token."""
    call = core.GrpcService(
        envoy_grpc=core.GrpcService.EnvoyGrpc(cluster_name=listener.authz_cluster),
        timeout=wkt.Duration(seconds=TIMEOUT),
    )
    ours = matcher.RegexMatcher(regex=HANDOVER_HEADER)
    config = ext_authz.ExtAuthz(
        grpc_service=call,
        transport_api_version=core.ApiVersion.V3,
        filter_enabled_metadata=shadow_result("denied"),
        failure_mode_allow=True,
        failure_mode_allow_header_add=True,
        validate_mutations=True,
        metadata_context_namespaces=[JWT_METADATA, *([TRUST_METADATA] if listener.guard else [])],
        allowed_headers=matcher.ListStringMatcher(
            patterns=[matcher.StringMatcher(exact=name) for name in _seen(listener)]
        ),
        decoder_header_mutation_rules=mutation_rules.HeaderMutationRules(
            disallow_all=wkt.BoolValue(value=True),
            allow_expression=ours,
            disallow_is_error=wkt.BoolValue(value=True),
        ),
    )
    return (Filter(Stage.LOGIN, Stage.LOGIN.slot, config),)


def _seen(listener: ListenerSite) -> tuple[str, ...]:
    """Without the guard nobody vouches for what stands in the credential's header."""
    return (*SEEN_BY_LOGIN, CREDENTIAL_HEADER) if listener.guard else SEEN_BY_LOGIN


def fragment(site: Site) -> Fragment:
    """Tell `login` which route and which rules; nothing to ask where everybody may pass.

    Turns the whole slow path on: of its filters only the call has words of the route's own.
    """
    if site.sign_in is None or opens_to_all(site.levels):
        return Fragment()
    told = {CONTEXT_ROUTE: site.route.path, CONTEXT_POLICY: site.policy}
    settings = ext_authz.CheckSettings(context_extensions=told)
    ask = ext_authz.ExtAuthzPerRoute(check_settings=settings)
    return Fragment(per_route={Stage.SLOW.slot: ask})
