"""One route, resolved: where it stands, who may pass, what holds.

A pure function of the route's noun, its door, its service's noun and the providers; `resolve`
remembers the results by those inputs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from ostiary.errors import ConfigError
from ostiary.features.credentials import Accepted
from ostiary.features.fragment import Block
from ostiary.features.security_headers import SecurityHeaders
from ostiary.features.waf import Inspection
from ostiary.language import route as written
from ostiary.language.document import Noun
from ostiary.language.gateway import Gateway
from ostiary.language.nearest import did_you_mean
from ostiary.language.service import Service
from ostiary.language.written import Levelled
from ostiary.names import Key, local
from ostiary.plan.blocks import Effective, effective
from ostiary.plan.credentials import accepted
from ostiary.plan.doors import Door
from ostiary.plan.hosts import certified, covers
from ostiary.plan.levels import (
    groups,
    guard_faults,
    level,
    level_faults,
    level_warnings,
    needs_identity,
)
from ostiary.plan.match import path_match
from ostiary.plan.model import PathMatch, Route
from ostiary.plan.policy import PolicyRecord
from ostiary.plan.waf import NO_READING, Reading, inspection
from ostiary.plan.waf_words import recorded
from ostiary.policy.rules import Level
from ostiary.wire import OWN_PATHS

NO_ISSUERS: Mapping[str, tuple[str, ...]] = {}


class Around(NamedTuple):
    """All that a route's meaning depends on besides its own noun."""

    door: Door
    service: Noun[Service] | None
    service_key: Key | None
    providers: tuple[str, ...]
    guard: bool = False
    """Whether the installation has one."""
    reading: Reading = NO_READING
    own: Inspection | None = None
    """What is looked into on pages of ours: the gateway's word alone."""
    issuers: Mapping[str, tuple[str, ...]] = NO_ISSUERS
    """Issuer -> its audiences."""


Spot: TypeAlias = tuple[Key, str, str]
"""(gateway, listener, host)."""


class Claim(NamedTuple):
    """What no two routes may both have."""

    gateway: str
    listener: str
    host: str
    path: PathMatch
    method: str
    """Empty for all methods."""


@dataclass(frozen=True, eq=False)
class Resolution:
    """What one route means: a value for each listener, and what others need to know of it."""

    noun: Noun[written.Route]
    routes: tuple[Route, ...]
    claims: tuple[Claim, ...]
    gateway: Key | None
    """None when it has none to stand on, which is a fault."""
    service: Key | None
    sign_in: tuple[Spot, ...]
    """Every host on which people sign in."""
    groups: frozenset[str]
    faults: tuple[ConfigError, ...]
    warnings: tuple[str, ...]
    over: tuple[ConfigError, ...] = ()
    """Faults of a document that is saved; of one that is served, warnings."""
    dated: bool = False
    """Whether another day may give something else."""
    own: Inspection | None = None
    """What is looked into on pages of ours beside it."""


def record(route: Route) -> PolicyRecord:
    """The policy record of a route: what its `policy` hash is the hash of."""
    return PolicyRecord(
        route.key.path,
        route.hosts,
        route.levels,
        route.login,
        str(route.place),
        recorded(route.blocks.get("waf")),
        _shown(route.blocks.get("credentials")),
    )


def _shown(block: Block | None) -> str:
    """The block `credentials` in a policy record."""
    if not isinstance(block, Accepted):
        return ""
    return json.dumps(block.told, sort_keys=True, separators=(",", ":"))


def nowhere(noun: Noun[written.Route], faults: tuple[ConfigError, ...]) -> Resolution:
    """A route that stands on no gateway, because of `faults`."""
    return Resolution(noun, (), (), None, None, (), frozenset(), faults, ())


def resolve_route(
    noun: Noun[written.Route], around: Around, missing: tuple[ConfigError, ...] = ()
) -> Resolution:
    """What the route means. Faults are in the result, beside whatever could be resolved.

    `missing` are faults of its references, found before.
    """
    faults = list(missing)
    nouns: list[Noun[Levelled]] = [around.door.noun, noun]
    if around.service is not None:
        nouns.insert(1, around.service)
    waf = inspection(nouns, around.reading, tuple(map(path_match, noun.value.path)))
    made = effective(nouns, faults)
    if waf.block is not None:
        made.blocks["waf"] = waf.block
    made.origins.update(waf.origins)
    login = made.login is not None
    shown = accepted(made.credentials, nouns, around.issuers, faults, login=login)
    if shown is not None:
        made.blocks["credentials"] = shown
    identified = login or shown is not None
    order: list[Noun[Levelled]] = [around.door.noun, noun, *nouns[1:-1]]
    levels = tuple(found for each in order if (found := level(each)) is not None)
    faults += level_faults(noun)
    faults += [] if around.guard else guard_faults(noun)
    faults += _identity_faults(noun, levels, login=identified)
    faults += _limit_faults(noun, login=identified)
    faults += _provider_faults(made, around)
    faults += _destination_faults(noun)
    faults += _path_faults(noun)
    routes, host_faults = _on_listeners(noun, around, levels, made)
    faults += host_faults
    faults += _hsts_faults(nouns, made, around.door, routes)
    faults += waf.faults
    key = around.door.key
    return Resolution(
        noun=noun,
        routes=routes,
        claims=tuple(_claims(routes)),
        gateway=key,
        service=around.service_key,
        sign_in=tuple((key, r.listener, host) for r in routes if identified for host in r.hosts),
        groups=groups(levels) if identified else frozenset(),
        faults=tuple(faults),
        warnings=(*_warnings(noun, routes, levels, around.door), *waf.warnings),
        over=waf.over,
        dated=waf.dated,
        own=around.own,
    )


def _on_listeners(
    noun: Noun[written.Route], around: Around, levels: tuple[Level, ...], made: Effective
) -> tuple[tuple[Route, ...], list[ConfigError]]:
    value, door = noun.value, around.door
    hosts = tuple(dict.fromkeys(value.host))
    faults = list(_host_faults(noun, hosts, door))
    blocks = dict(made.blocks)
    if value.respond is not None:
        blocks["respond"] = value.respond
    waf, shown = blocks.get("waf"), _shown(blocks.get("credentials"))
    routes: list[Route] = []
    for listener in door.serving:
        served = tuple(h for h in hosts if any(covers(p, h) for p in listener.hosts))
        if not served:
            continue
        key = local(noun.name)
        record_ = PolicyRecord(
            key.path, served, levels, made.login is not None, str(noun.place), recorded(waf), shown
        )
        routes.append(
            Route(
                key=key,
                gateway=door.key,
                listener=listener.name,
                hosts=served,
                paths=tuple(dict.fromkeys(map(path_match, value.path))),
                methods=None if value.methods is None else tuple(dict.fromkeys(value.methods)),
                service=around.service_key,
                login=made.login is not None,
                levels=levels,
                blocks=blocks,
                policy=record_.hash,
                place=noun.place,
                origins=made.origins,
            )
        )
    return tuple(routes), faults


def _host_faults(
    noun: Noun[written.Route], hosts: tuple[str, ...], door: Door
) -> Iterator[ConfigError]:
    patterns = [pattern for listener in door.serving for pattern in listener.hosts]
    for index, host in enumerate(hosts):
        if host == door.sign_in_host:
            yield ConfigError(
                "plan.reserved-host",
                f'{noun}: "{host}" is the sign-in host of {door.noun}',
                noun.at("host", index),
                "applications have hosts of their own; name another `sign_in_host` if you must",
            )
        elif door.serving and not any(covers(pattern, host) for pattern in patterns):
            yield ConfigError(
                "plan.host-outside",
                f'{noun}: {door.noun} has no HTTPS listener for "{host}"',
                noun.at("host", index),
                f'add "{host}" to the `hosts` of a listener; there are: {", ".join(patterns)}',
            )


def _path_faults(noun: Noun[written.Route]) -> Iterator[ConfigError]:
    for index, path in enumerate(noun.value.path):
        if (path.removesuffix("*") + "/").startswith(OWN_PATHS):
            yield ConfigError(
                "plan.reserved-path",
                f"{noun}: paths below {OWN_PATHS} are the gateway's own",
                noun.at("path", index),
                "choose another path",
            )


def _destination_faults(noun: Noun[written.Route]) -> Iterator[ConfigError]:
    has = [key for key in ("to", "respond") if getattr(noun.value, key) is not None]
    if len(has) != 1:
        yield ConfigError(
            "plan.destination",
            f"{noun} has {'both `to` and `respond`' if has else 'neither `to` nor `respond`'}",
            noun.at("respond") if has else noun.place,
            "keep one of them" if has else "add `to: <service>`",
        )


def _identity_faults(
    noun: Noun[written.Route], levels: tuple[Level, ...], *, login: bool
) -> Iterator[ConfigError]:
    if login:
        return
    for each in levels:
        rule = next((rule for rule in each.rules if needs_identity(rule)), None)
        if rule is not None:
            yield ConfigError(
                "plan.needs-login",
                f'{noun}: the rule "{rule.name}" of {each.owner} asks who somebody is, '
                "but without `login` nobody can be identified here",
                noun.at("access") if each.owner == str(noun) else noun.place,
                "add `login: true` to the route",
            )


def _limit_faults(noun: Noun[written.Route], *, login: bool) -> Iterator[ConfigError]:
    for index, limit in enumerate(noun.value.limits or ()):
        if limit.per == "user" and not login:
            yield ConfigError(
                "plan.limit-needs-login",
                f"{noun}: a limit per user needs `login`; without it there are no users",
                noun.at("limits", index, "per"),
                "add `login: true`, or limit per address",
            )


def _provider_faults(made: Effective, around: Around) -> Iterator[ConfigError]:
    if made.login is None or made.login_owner is None:
        return
    owner, known = made.login_owner, around.providers
    if not known:
        yield ConfigError(
            "plan.no-provider",
            f"{owner} asks for sign-in, but nobody can: there is no identity provider",
            owner.at("login"),
            "add `identity: {providers: {local: {}}}`",
        )
    if made.login.providers == []:
        yield ConfigError(
            "plan.no-provider",
            f"{owner} asks for sign-in with none of the identity providers",
            owner.at("login", "with"),
            "name one, or write `login: true` for all of them",
        )
    for index, name in enumerate(made.login.providers or ()):
        if known and name not in known:
            yield ConfigError(
                "plan.unknown-provider",
                f'{owner}: there is no identity provider "{name}"',
                owner.at("login", "with", index),
                did_you_mean(name, known, "providers"),
            )


def _hsts_faults(
    nouns: list[Noun[Levelled]], made: Effective, door: Door, routes: tuple[Route, ...]
) -> Iterator[ConfigError]:
    block = made.blocks["security_headers"]
    if not isinstance(block, SecurityHeaders) or block.hsts in ("off", 0):
        return
    ours = {listener.name for listener in door.serving if listener.files is None}
    if not any(route.listener in ours for route in routes):
        return
    owner = made.origins["security_headers.hsts"]
    noun = next(noun for noun in nouns if str(noun) == owner)
    yield ConfigError(
        "plan.hsts",
        f"{noun}: HSTS while the certificate is our own would lock browsers out of the host",
        noun.at("security_headers", "hsts"),
        "bring a `certificate` for the listener first, or write `hsts: off`",
    )


def _claims(routes: tuple[Route, ...]) -> Iterator[Claim]:
    for route in routes:
        for host in route.hosts:
            for path in route.paths:
                for method in route.methods or ("",):
                    yield Claim(route.gateway.path, route.listener, host, path, method)


def _warnings(
    noun: Noun[written.Route], routes: tuple[Route, ...], levels: tuple[Level, ...], door: Door
) -> Iterator[str]:
    if not levels:
        yield f"{noun.place}: {noun} has no `access` on any level, so nobody may pass"
    elif any(not each.rules for each in levels):
        empty = next(each for each in levels if not each.rules)
        yield f"{noun.place}: the `access` of {empty.owner} has no rule, so nobody may pass {noun}"
    yield from level_warnings(noun)
    for listener in door.serving:
        if listener.files is not None:
            continue
        for host in (h for route in routes if route.listener == listener.name for h in route.hosts):
            if not any(certified(pattern, host) for pattern in listener.hosts):
                yield (
                    f"{noun.at('host')}: no name of the certificate of listener {listener.name} "
                    f'covers "{host}"; add it to the listener\'s `hosts`'
                )


__all__ = ["Around", "Claim", "Gateway", "Resolution", "path_match", "record", "resolve_route"]
