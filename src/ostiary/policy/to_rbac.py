"""The compiled form of `access`: Envoy RBAC expressions that agree with `decide`.

A route's rules become ALLOW policies: `anybody` holds what needs no identity, `known` what an
identity of this host may do. Rules are first specialised to "nobody known" and "somebody known",
so the usual request pays for one host comparison and for the keys that were written.

Sound because whatever is allowed to nobody is allowed to everybody: a `deny` that fires on a
known person fires on an unknown one too. So `anybody` needs no "and is not signed in".
Fed by plan levels; feeds `features.access` and the mini gateways.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

from ostiary.policy.conditions import is_address, needs_identity
from ostiary.policy.rules import HIGHEST_RISK, LEAST_RISK, Effect, Level, Rule
from ostiary.protos.messages import cel, matcher, rbac, route, types
from ostiary.wire import (
    JWT_METADATA,
    RBAC_METADATA,
    RISK_KEY,
    SESSION_KEY,
    SHADOW_RESULT,
    TRUST_METADATA,
)

Expression = rbac.Permission | bool
"""A permission, or a truth that is known while compiling."""
MAY_PREFIX: Final = "may_"
"""Sets the enforcing filter's metadata apart from that of the other RBAC filters."""
MAY_RESULT: Final = f"{MAY_PREFIX}enforced_engine_result"
"""Below `RBAC_METADATA`: what the enforcing filter said; `allowed` once the request went on."""
_SEVERAL: Final = 2


@dataclass(frozen=True, slots=True)
class Credential:
    """Where the verified claims stand, and which of them are meant for us."""

    host: str
    """The `host` claim must equal this; `*.x.example` is compared with the request's authority."""
    group_set: str
    """The `gv` claim must equal this where a rule names groups."""
    key: str = SESSION_KEY
    """The key below `JWT_METADATA`."""


def to_rbac(levels: Sequence[Level], credential: Credential | None) -> rbac.RBAC:
    """An ALLOW that passes exactly what `decide` allows.

    Without a `credential` nobody is ever known; without levels nobody passes. Envoy evaluates
    policies in the order of their names: what asks for nobody stands first.
    """
    policies: dict[str, rbac.Policy] = {}
    open_to_all = anybody(levels)
    if open_to_all is not False:
        policies["anybody"] = policy(open_to_all)
    known = False if credential is None else _levels(levels, credential)
    if credential is not None and known is not False and open_to_all is not True:
        policies["known"] = _for_known(credential, known)
    return rbac.RBAC(action=rbac.RBAC.Action.ALLOW, policies=policies)


def anybody(levels: Sequence[Level]) -> Expression:
    """What passes every level whoever asks."""
    return _levels(levels, None)


def or_already(rules: rbac.RBAC) -> rbac.RBAC:
    """`rules`, but what the shadow of the same rules allowed a moment ago needs no second look."""
    made = rbac.RBAC()
    made.CopyFrom(rules)
    made.policies["already"].CopyFrom(policy(shadow_allowed()))
    return made


def opens_to_all(levels: Sequence[Level]) -> bool:
    """Whether every request of anybody passes, so that there is nothing to enforce."""
    return bool(levels) and all(_opens_to_all(level) for level in levels)


def _opens_to_all(level: Level) -> bool:
    everything = any(
        rule.effect is Effect.ALLOW
        and not needs_identity(rule)
        and rule.methods is None
        and rule.risk is None
        and (rule.paths is None or "/*" in rule.paths)
        for rule in level.rules
    )
    return everything and all(rule.effect is Effect.ALLOW for rule in level.rules)


def shadow_allowed() -> rbac.Permission:
    """The same rules, asked before the slow path, allowed this request."""
    allowed = rbac.SourcedMetadata(metadata_matcher=shadow_result("allowed"))
    return rbac.Permission(sourced_metadata=allowed)


def shadow_result(result: str) -> matcher.MetadataMatcher:
    """The rules, asked before the slow path, came out as `result`: `allowed` or `denied`."""
    segment = matcher.MetadataMatcher.PathSegment(key=SHADOW_RESULT)
    return matcher.MetadataMatcher(filter=RBAC_METADATA, path=[segment], value=equals(result))


def policy(permission: Expression, condition: cel.Expr | None = None) -> rbac.Policy:
    """`permission` (and `condition`) for whoever sends the request."""
    return rbac.Policy(
        permissions=[_concrete(permission)],
        principals=[rbac.Principal(any=True)],
        condition=condition,
    )


def claim(key: str, name: str, value: matcher.ValueMatcher) -> rbac.Permission:
    """The verified claim `name` below the metadata key `key` matches `value`."""
    segment = matcher.MetadataMatcher.PathSegment
    metadata = matcher.MetadataMatcher(
        filter=JWT_METADATA, path=[segment(key=key), segment(key=name)], value=value
    )
    return rbac.Permission(sourced_metadata=rbac.SourcedMetadata(metadata_matcher=metadata))


def is_for_host(credential: Credential) -> rbac.Permission:
    """The credential was verified and its `host` claim is ours; for a wildcard, any host claim."""
    if is_wildcard(credential.host):
        return claim(credential.key, "host", matcher.ValueMatcher(present_match=True))
    return claim(credential.key, "host", equals(credential.host))


def is_wildcard(host: str) -> bool:
    """Whether `host` stands for several."""
    return host.startswith("*")


def equals(value: str) -> matcher.ValueMatcher:
    """A string that is exactly `value`."""
    return matcher.ValueMatcher(string_match=matcher.StringMatcher(exact=value))


def every(parts: Iterable[Expression]) -> Expression:
    """All of `parts`, in their order."""
    kept = [part for part in parts if part is not True]
    if False in kept or not kept:
        return not kept
    wanted = [_concrete(part) for part in kept]
    if len(wanted) < _SEVERAL:
        return wanted[0]
    return rbac.Permission(and_rules=rbac.Permission.Set(rules=wanted))


def some(parts: Iterable[Expression]) -> Expression:
    """At least one of `parts`, tried in their order."""
    kept = [part for part in parts if part is not False]
    if True in kept or not kept:
        return bool(kept)
    wanted = [_concrete(part) for part in kept]
    if len(wanted) < _SEVERAL:
        return wanted[0]
    return rbac.Permission(or_rules=rbac.Permission.Set(rules=wanted))


def never(part: Expression) -> Expression:
    """Not `part`."""
    if isinstance(part, bool):
        return not part
    return rbac.Permission(not_rule=part)


def _concrete(expression: Expression) -> rbac.Permission:
    if expression is False:
        return rbac.Permission(not_rule=rbac.Permission(any=True))
    return rbac.Permission(any=True) if expression is True else expression


def _for_known(credential: Credential, known: Expression) -> rbac.Policy:
    """For a wildcard, only a CEL condition can compare a claim with the request's authority."""
    condition = _host_condition(credential.key) if is_wildcard(credential.host) else None
    return policy(every([is_for_host(credential), known]), condition)


def _levels(levels: Sequence[Level], credential: Credential | None) -> Expression:
    """Every level passes; False without levels."""
    return every(_level(level, credential) for level in levels) if levels else False


def _level(level: Level, credential: Credential | None) -> Expression:
    denies = (_deny(rule, credential) for rule in level.rules if rule.effect is Effect.DENY)
    allows = [rule for rule in level.rules if rule.effect is Effect.ALLOW]
    return every([never(some(denies)), _allows(allows, credential)])


def _allows(rules: Sequence[Rule], credential: Credential | None) -> Expression:
    """Rules with the same methods, paths and risk share the test of them."""
    shared: dict[tuple[object, ...], list[Rule]] = {}
    for rule in rules:
        shared.setdefault((rule.methods, rule.paths, rule.risk), []).append(rule)
    return some(
        every([_request(alike[0]), _is_risk(alike[0].risk), _who(alike, credential)])
        for alike in shared.values()
    )


def _who(rules: Sequence[Rule], credential: Credential | None) -> Expression:
    """Some rule's identity keys hold; rules that name nothing but groups become one list."""
    if credential is None:
        return any(not needs_identity(rule) for rule in rules)
    groups = [rule.groups for rule in rules if _only_groups(rule)]
    names = sorted({name for some_groups in groups for name in some_groups or ()})
    rest = (_identity(rule, credential) for rule in rules if not _only_groups(rule))
    return some([*rest, _in_group(names, credential) if names else False])


def _only_groups(rule: Rule) -> bool:
    return bool(rule.groups) and rule.users is None and rule.email_domains is None


def _identity(rule: Rule, credential: Credential) -> Expression:
    """The identity keys of an `allow`, for somebody known: what is absent does not hold."""
    return every(
        [
            True if rule.users is None else _is_user(rule.users, credential),
            True if rule.email_domains is None else _at_domain(rule.email_domains, credential),
            True if rule.groups is None else _in_group(rule.groups, credential),
        ]
    )


def _deny(rule: Rule, credential: Credential | None) -> Expression:
    """A `deny`: every key holds or its input is absent."""
    parts = [_request(rule)]
    if rule.risk is not None:
        parts.append(some([_is_risk(rule.risk), never(_is_risk((LEAST_RISK, HIGHEST_RISK)))]))
    if credential is None:
        return every(parts)
    if rule.users is not None:
        unknown = [never(_has(credential, "sub", ".+"))]
        if any(is_address(user) for user in rule.users):
            unknown.append(never(_has(credential, "email", ".*@.*")))
        parts.append(some([_is_user(rule.users, credential), *unknown]))
    if rule.email_domains is not None:
        unknown = [never(_has(credential, "email", ".*@.*"))]
        parts.append(some([_at_domain(rule.email_domains, credential), *unknown]))
    if rule.groups is not None:
        stale = never(_groups_known(credential))
        parts.append(some([_in_list(rule.groups, credential), stale]))
    return every(parts)


def _request(rule: Rule) -> Expression:
    """Paths and methods: cheaper than any claim, so they stand first.

    Paths before methods, for of many rules most differ in the path and ask for the usual methods.
    """
    methods = True if rule.methods is None else some(_method(one) for one in rule.methods)
    paths = True if rule.paths is None else some(_path(one) for one in rule.paths)
    return every([paths, methods])


def _is_risk(wanted: tuple[int, int] | None) -> Expression:
    """The score is a number from the first to the second; without one it is none of them."""
    if wanted is None:
        return True
    least, highest = wanted
    score = matcher.DoubleMatcher(range=types.DoubleRange(start=least, end=highest + 1))
    metadata = matcher.MetadataMatcher(
        filter=TRUST_METADATA,
        path=[matcher.MetadataMatcher.PathSegment(key=RISK_KEY)],
        value=matcher.ValueMatcher(double_match=score),
    )
    return rbac.Permission(sourced_metadata=rbac.SourcedMetadata(metadata_matcher=metadata))


def _method(name: str) -> Expression:
    exact = matcher.StringMatcher(exact=name)
    return rbac.Permission(header=route.HeaderMatcher(name=":method", string_match=exact))


def _path(pattern: str) -> Expression:
    """As `conditions.path_matches`; Envoy leaves the query out of the comparison."""
    if pattern == "/*":
        return True
    if not pattern.endswith("/*"):
        return _url_path(matcher.StringMatcher(exact=pattern))
    below = _url_path(matcher.StringMatcher(prefix=pattern[:-1]))
    return some([below, _url_path(matcher.StringMatcher(exact=pattern[:-2]))])


def _url_path(match: matcher.StringMatcher) -> rbac.Permission:
    return rbac.Permission(url_path=matcher.PathMatcher(path=match))


def _is_user(users: Sequence[str], credential: Credential) -> Expression:
    addresses = [user for user in users if is_address(user)]
    by_name = _one_of(credential, "sub", [matcher.StringMatcher(exact=user) for user in users])
    by_address = [matcher.StringMatcher(exact=one, ignore_case=True) for one in addresses]
    return some([by_name, _one_of(credential, "email", by_address)])


def _at_domain(domains: Sequence[str], credential: Credential) -> Expression:
    suffixes = [matcher.StringMatcher(suffix=f"@{one}", ignore_case=True) for one in domains]
    return _one_of(credential, "email", suffixes)


def _one_of(
    credential: Credential, name: str, strings: Sequence[matcher.StringMatcher]
) -> Expression:
    if not strings:
        return False
    return claim(credential.key, name, _alternatives(strings))


def _in_group(groups: Sequence[str], credential: Credential) -> Expression:
    """Member of one of them, by a token that knows the group names of today."""
    return every([_in_list(groups, credential), _groups_known(credential)])


def _in_list(groups: Sequence[str], credential: Credential) -> Expression:
    if not groups:
        return False
    strings = [matcher.StringMatcher(exact=group) for group in groups]
    one = matcher.ListMatcher(one_of=_alternatives(strings))
    return claim(credential.key, "groups", matcher.ValueMatcher(list_match=one))


def _groups_known(credential: Credential) -> rbac.Permission:
    return claim(credential.key, "gv", equals(credential.group_set))


def _alternatives(strings: Sequence[matcher.StringMatcher]) -> matcher.ValueMatcher:
    values = [matcher.ValueMatcher(string_match=string) for string in strings]
    if len(values) < _SEVERAL:
        return values[0]
    return matcher.ValueMatcher(or_match=matcher.OrMatcher(value_matchers=values))


def _has(credential: Credential, name: str, pattern: str) -> rbac.Permission:
    regex = matcher.RegexMatcher(regex=f"(?s){pattern}")
    value = matcher.ValueMatcher(string_match=matcher.StringMatcher(safe_regex=regex))
    return claim(credential.key, name, value)


def _host_condition(key: str) -> cel.Expr:
    """`metadata.filter_metadata[JWT_METADATA][key]["host"] == request.host`, as a parsed tree.

    A claim that is absent is an error, which an ALLOW takes for "no" (DESIGN, trap 2).
    """
    ids = count(1)

    def identifier(name: str) -> cel.Expr:
        return cel.Expr(id=next(ids), ident_expr=cel.Expr.Ident(name=name))

    def select(operand: cel.Expr, name: str) -> cel.Expr:
        return cel.Expr(id=next(ids), select_expr=cel.Expr.Select(operand=operand, field=name))

    def call(function: str, *arguments: cel.Expr) -> cel.Expr:
        return cel.Expr(id=next(ids), call_expr=cel.Expr.Call(function=function, args=arguments))

    def text(value: str) -> cel.Expr:
        return cel.Expr(id=next(ids), const_expr=cel.Constant(string_value=value))

    claims = select(identifier("metadata"), "filter_metadata")
    for step in (JWT_METADATA, key, "host"):
        claims = call("_[_]", claims, text(step))
    return call("_==_", claims, select(identifier("request"), "host"))
