"""Refuse shapes that Envoy loads without a word and that then let everybody through.

Each was found by experiment on the pinned Envoy (DESIGN, section 4). Fed by a compiled `View`;
the tests run it over everything that is compiled anywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final, cast

from google.protobuf.message import Message

from ostiary.compiler.resources import FILTER, LISTENER, SCOPE, Resource, View
from ostiary.errors import CompileError
from ostiary.features.fragment import Stage
from ostiary.protos.messages import (
    early_module,
    hcm,
    jwt,
    module,
    rbac,
    route,
    tls,
    xds_matcher,
)
from ostiary.protos.pool import message_class, type_url

LEAST_CACHE: Final = 10_000
"""Verified tokens a provider remembers; without a cache every request pays for a signature."""
_ANY: Final = "google.protobuf.Any"


def lint(view: View) -> None:
    """Nothing known to fail open is in `view`; else `CompileError` with every finding."""
    found = [*_duplicate_keys(view), *_unguarded(view)]
    for group in view.resources.values():
        for one in group.values():
            found += [f"{one.name}: {sentence}" for sentence in findings(message_of(one))]
    if found:
        raise CompileError("; ".join(found))


def findings(message: Message) -> Iterator[str]:
    """What is wrong in `message` or in anything below it."""
    for one in walk(message):
        check = _CHECKS.get(one.DESCRIPTOR.full_name)
        if check is not None:
            yield from check(one)


def walk(message: Message) -> Iterator[Message]:
    """`message` and every message below it, those inside an Any included."""
    yield message
    if message.DESCRIPTOR.full_name == _ANY:
        packed = cast("Any", message)
        if packed.type_url:
            yield from walk(_parse(packed.type_url, packed.value))
        return
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            values = value.values()
        else:
            values = value if field.is_repeated else (value,)
        for one in values:
            if isinstance(one, Message):
                yield from walk(one)


def message_of(one: Resource) -> Message:
    """The message whose bytes `one` holds."""
    return _parse(one.type_url, one.body)


def _parse(type_url: str, body: bytes) -> Message:
    made = message_class(type_url.rpartition("/")[2])()
    made.ParseFromString(body)
    return made


def _duplicate_keys(view: View) -> Iterator[str]:
    """A duplicate key makes Envoy refuse the whole message that carries it, all scopes of it."""
    scopes = view.resources.get(SCOPE, {}).values()
    keys = Counter(_scope_key(one) for one in scopes)
    return (f"{count} scopes have the key {key}" for key, count in keys.items() if count > 1)


def _unguarded(view: View) -> Iterator[str]:
    """What the guard does not see, where a proxy has one; and a slow path without its ends."""
    guard = Stage.TRUST.slot in view.resources.get(FILTER, {})
    for one in view.resources.get(SCOPE, {}).values():
        scope = cast("route.ScopedRouteConfiguration", message_of(one))
        for host in scope.route_configuration.virtual_hosts:
            for each in host.routes:
                on = {Stage[name] for name in _STAGES if Stage[name].slot in _on(each)}
                if guard and each.HasField("route") and not on & {Stage.WHO, Stage.TRUST}:
                    yield f"{each.name}: a route that the guard does not see"
                if (Stage.WAF_HEAD in on) != (Stage.WAF_BODY in on):
                    yield f"{each.name}: a route of which rules see the head or the body alone"
                if Stage.SLOW in on and not on >= {Stage.WHO, Stage.HANDOVER, Stage.MAY}:
                    yield f"{each.name}: a slow path without who, handover or may"
    for one in view.resources.get(LISTENER, {}).values() if guard else ():
        for message in walk(message_of(one)):
            if message.DESCRIPTOR.name == "HttpConnectionManager":
                yield from _unscoped(cast("hcm.HttpConnectionManager", message))


def _on(one: route.Route) -> Collection[str]:
    return one.typed_per_filter_config


def _unscoped(connections: hcm.HttpConnectionManager) -> Iterator[str]:
    """With the guard only it writes the scope; another writer would compare capitals."""
    kinds = {one.typed_config.type_url for one in connections.early_header_mutation_extensions}
    early = type_url(early_module.DynamicModuleEarlyHeaderMutation())
    if connections.HasField("scoped_routes") and early not in kinds:
        yield f"{connections.stat_prefix}: a listener whose scope the guard does not write"


def _scope_key(one: Resource) -> str:
    scope = cast("route.ScopedRouteConfiguration", message_of(one))
    return "|".join(fragment.string_key for fragment in scope.key.fragments)


def _jwt_provider(provider: jwt.JwtProvider) -> Iterator[str]:
    if not provider.require_expiration:
        yield "a JWT provider that accepts tokens without an expiry"
    if not provider.HasField("max_lifetime"):
        yield "a JWT provider without a longest lifetime"
    if not provider.clock_skew_seconds:
        yield "a JWT provider with Envoy's own clock skew of a minute"
    if not (provider.from_headers or provider.from_cookies or provider.from_params):
        yield "a JWT provider that reads Authorization and ?access_token= by default"
    if provider.jwt_cache_config.jwt_cache_size < LEAST_CACHE:
        yield "a JWT provider without a cache of 10,000 tokens"


def _upstream_tls(context: tls.UpstreamTlsContext) -> Iterator[str]:
    common = context.common_tls_context
    if common.tls_params.tls_maximum_protocol_version != tls.TlsParameters.TLSv1_3:
        yield "upstream TLS below 1.3 (Envoy's own maximum is 1.2)"
    validation = common.combined_validation_context.default_validation_context
    if not validation.match_typed_subject_alt_names:
        yield "upstream TLS that accepts any peer of our authority"


def _rbac_policy(policy: rbac.Policy) -> Iterator[str]:
    if policy.HasField("checked_condition"):
        yield "an RBAC policy with checked_condition, which Envoy ignores"


def _matcher_tree(tree: xds_matcher.Matcher.MatcherTree) -> Iterator[str]:
    if "DynamicMetadataInput" in tree.input.typed_config.type_url:
        yield "a matcher map on dynamic metadata, which never matches"


def _module(config: module.DynamicModuleConfig) -> Iterator[str]:
    if not config.do_not_close:
        yield "a module without do_not_close, whose verdicts are gone with the last filter"
    if not config.name or config.HasField("module"):
        yield "a module that is not found by its name; one that is fetched lets all pass meanwhile"


_STAGES: Final = ("WHO", "TRUST", "SLOW", "HANDOVER", "MAY", "WAF_HEAD", "WAF_BODY")
_CHECKS: Final[Mapping[str, Callable[[Any], Iterator[str]]]] = {
    "envoy.extensions.filters.http.jwt_authn.v3.JwtProvider": _jwt_provider,
    "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext": _upstream_tls,
    "envoy.config.rbac.v3.Policy": _rbac_policy,
    "envoy.extensions.dynamic_modules.v3.DynamicModuleConfig": _module,
    "xds.type.matcher.v3.Matcher.MatcherTree": _matcher_tree,
}
