"""One route of the plan, on one host, as Envoy's routes: a fold of the fragments of its features.

Fed by `plan.Route`, `features` and `slots`; feeds `scopes`. The order is that of `plan.match`:
exact path, then the longest prefix, then routes that name methods, then the key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import Message

from ostiary.compiler.mutations import AUTHORITY_HEADER
from ostiary.compiler.slots import GUARDS, OWN_GUARDS
from ostiary.compiler.spelling import cluster_name
from ostiary.compiler.world import LOGIN_CLUSTER
from ostiary.errors import CompileError
from ostiary.features.cors import Cors
from ostiary.features.fragment import Block, Fragment, SignInSite, Site
from ostiary.features.security_headers import SecurityHeaders
from ostiary.features.timeouts import Timeouts
from ostiary.names import Key
from ostiary.plan.model import PathKind, PathMatch, Route
from ostiary.protos import pack
from ostiary.protos.messages import matcher, rbac_filter, route

DEFAULT_BLOCKS: Final[Mapping[str, Block]] = {
    "security_headers": SecurityHeaders(),
    "timeouts": Timeouts(),
}
"""What holds on every route that says nothing about it."""
_NO_ACCESS: Final = "403 Forbidden: nobody may pass here, for no `access` lets anybody in.\n"
_OWN_TIMEOUT: Final = 15
"""Seconds for a page of ours."""

Rank = tuple[bool, int, bool, Key]
"""Sorts the more specific entry first; see `rank`."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What all routes of one listener share."""

    listener: str
    port: int
    sign_in: SignInSite | None
    guard: bool = False
    """Whether the proxy has the guard."""


@dataclass(frozen=True, slots=True)
class Host:
    """One virtual host."""

    name: str
    cookies: bool
    """Whether cookies of ours can exist on it."""


def rank(path: PathMatch, methods: tuple[str, ...] | None, key: Key) -> Rank:
    """The place of one entry among those of its host: smaller is tried first."""
    return (path.kind is not PathKind.EXACT, -len(path.value), methods is None, key)


def entries(one: Route, host: Host, ground: Ground) -> Iterator[tuple[Rank, route.Route]]:
    """Every Envoy route that `one` needs on `host`, each with its rank."""
    template = _template(one, host, ground)
    for path in one.paths:
        place = rank(path, one.methods, one.key)
        made = route.Route()
        made.CopyFrom(template)
        made.match.CopyFrom(_match(path, one.methods))
        yield place, made
        cors = one.blocks.get("cors")
        if isinstance(cors, Cors) and one.methods is not None and "OPTIONS" not in one.methods:
            preflight = route.Route()
            preflight.CopyFrom(made)
            preflight.match.CopyFrom(_preflight(path, cors))
            yield place, preflight


def _template(one: Route, host: Host, ground: Ground) -> route.Route:
    """The route without its match."""
    made = route.Route(name=f"{one.key.path}@{one.policy}")
    if one.denied is not None:
        return _answer(made, 503, f"503 Service Unavailable: {one.denied}\n")
    if one.own:
        made.route.CopyFrom(_to(LOGIN_CLUSTER, ground))
        made.route.timeout.seconds = _OWN_TIMEOUT
        own = _site(one, host, ground, one.blocks)
        join(made, [feature(own) for feature in OWN_GUARDS])
        return made
    if not one.levels:
        return _answer(made, 403, _NO_ACCESS)
    blocks = {**DEFAULT_BLOCKS, **one.blocks}
    site = _site(one, host, ground, blocks)
    parts = [blocks[name].fragment(site) for name in sorted(blocks)]
    join(made, [*parts, *(feature(site) for feature in GUARDS)])
    if one.service is not None:
        made.route.MergeFrom(_to(cluster_name(one.service), ground))
    return made


def _site(one: Route, host: Host, ground: Ground, blocks: Mapping[str, Block]) -> Site:
    port = "" if ground.port == 443 else f":{ground.port}"  # noqa: PLR2004  the scheme's own port
    return Site(
        route=one.key,
        host=host.name,
        origin=f"https://{host.name}{port}",
        levels=one.levels,
        policy=one.policy,
        sign_in=ground.sign_in if one.identified or one.own else None,
        blocks=blocks,
        cookies=host.cookies,
        guard=ground.guard,
    )


def join(made: route.Route, parts: Iterable[Fragment]) -> None:
    """Add `parts`: filters by name, lists one after another; a scalar written twice is a bug."""
    asked: dict[str, Message] = {}
    for part in parts:
        for name, config in part.per_route.items():
            joined = config if name not in asked else _both(asked[name], config)
            if joined is None:
                raise CompileError(f"two features configure the slot {name} of {made.name}")
            asked[name] = joined
        if part.route is not None:
            _merge(made, part.route)
    for name, config in asked.items():
        turned_on = config
        if not isinstance(config, route.FilterConfig):
            turned_on = route.FilterConfig(config=pack(config))
        made.typed_per_filter_config[name].CopyFrom(pack(turned_on))


def _both(one: Message, other: Message) -> Message | None:
    """What does what both do: the policies of two RBAC filters; None where there is no such."""
    if one == other:
        return one
    if not isinstance(one, rbac_filter.RBACPerRoute) or not isinstance(other, type(one)):
        return None
    mine, theirs = one.rbac, other.rbac
    enforce = mine.HasField("rules") and theirs.HasField("rules")
    if mine.HasField("shadow_rules") and theirs.HasField("shadow_rules"):
        return None
    if enforce and mine.rules.action != theirs.rules.action:
        return None
    if enforce and set(mine.rules.policies) & set(theirs.rules.policies):
        return None
    made = rbac_filter.RBACPerRoute()
    made.CopyFrom(one)
    made.MergeFrom(other)
    return made


def _merge(made: route.Route, part: route.Route) -> None:
    """An answer of our own (`respond`) stands in the place of forwarding, whatever came first."""
    if part.HasField("direct_response"):
        made.ClearField("route")
    if made.HasField("direct_response") and part.HasField("route"):
        answer = route.DirectResponseAction()
        answer.CopyFrom(made.direct_response)
        made.MergeFrom(part)
        made.direct_response.CopyFrom(answer)
        return
    made.MergeFrom(part)


def _answer(made: route.Route, status: int, body: str) -> route.Route:
    made.direct_response.status = status
    made.direct_response.body.inline_string = body
    return made


def _to(cluster: str, ground: Ground) -> route.RouteAction:
    """Forward to `cluster` under the name and port that the browser used.

    The port was stripped to find the scope; applications compare `Host` with `Origin`, so it is
    put back.
    """
    action = route.RouteAction(cluster=cluster)
    if ground.port != 443:  # noqa: PLR2004  the scheme's own port is not spelled
        action.host_rewrite_header = AUTHORITY_HEADER
    return action


def _match(path: PathMatch, methods: tuple[str, ...] | None) -> route.RouteMatch:
    match = _path(path)
    if methods is not None:
        match.headers.append(_method(methods))
    return match


def _path(path: PathMatch) -> route.RouteMatch:
    if path.kind is PathKind.EXACT:
        return route.RouteMatch(path=path.value)
    if path.value in {"", "/"}:
        return route.RouteMatch(prefix="/")
    return route.RouteMatch(path_separated_prefix=path.value)


def _method(methods: tuple[str, ...]) -> route.HeaderMatcher:
    if len(methods) == 1:
        return _equals(":method", methods[0])
    return _any_of(":method", methods)


def _preflight(path: PathMatch, cors: Cors) -> route.RouteMatch:
    """A true preflight of an allowed origin, on a route whose methods leave OPTIONS out."""
    match = _path(path)
    asks = route.HeaderMatcher(name="access-control-request-method", present_match=True)
    match.headers.extend([_equals(":method", "OPTIONS"), asks, _any_of("origin", cors.origins)])
    return match


def _equals(name: str, value: str) -> route.HeaderMatcher:
    return route.HeaderMatcher(name=name, string_match=matcher.StringMatcher(exact=value))


def _any_of(name: str, values: Iterable[str]) -> route.HeaderMatcher:
    expression = "|".join(_literal(value) for value in values)
    regex = matcher.RegexMatcher(regex=expression)
    return route.HeaderMatcher(name=name, string_match=matcher.StringMatcher(safe_regex=regex))


def _literal(text: str) -> str:
    return "".join(one if one.isalnum() else f"\\{one}" for one in text)
