"""Scopes: one per `listener|host`, with the host's routes inline.

A change of one host changes one scope and nothing else. A wildcard host is one scope that holds
the hosts below it, for Envoy's scopes know no wildcards. Fed by `routes`; feeds `compile`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

from ostiary.compiler.resources import SCOPE, Resource, resource
from ostiary.compiler.routes import Ground, Host, entries
from ostiary.compiler.spelling import scope_name
from ostiary.errors import NOWHERE
from ostiary.plan.model import Route
from ostiary.protos.messages import route, wkt
from ostiary.wire import AUTHZ_FAILED_HEADER, HANDOVER_HEADER, SCOPE_HEADER, SENT_HEADER

_NOT_FOR_UPSTREAM: Final = (SCOPE_HEADER, SENT_HEADER, HANDOVER_HEADER, AUTHZ_FAILED_HEADER)
_LONGEST_BODY: Final = 16_384
"""Bytes of a direct response: `respond.body` has 4,096 characters of up to four bytes."""


def wildcard_scopes(hosts: Iterable[str]) -> tuple[str, ...]:
    """The wildcard hosts that are scopes: those with no wider wildcard above them, sorted."""
    wild = {host for host in hosts if host.startswith("*")}
    return tuple(sorted(host for host in wild if wild.isdisjoint(_wildcards_above(host))))


def scope_of(host: str, wildcards: Collection[str]) -> str:
    """The host under whose scope `host` stands: a wildcard that covers it, or itself."""
    return next((one for one in _wildcards_above(host) if one in wildcards), host)


def _wildcards_above(host: str) -> Iterator[str]:
    """Every wildcard that covers `host` (exact or wildcard) and is not itself."""
    if host != "*":
        yield "*"
    rest = host.partition(".")[2]
    while rest:
        if (found := f"*.{rest}") != host:
            yield found
        rest = rest.partition(".")[2]


def scope(host: str, members: Mapping[str, Sequence[Route]], ground: Ground) -> Resource:
    """The scope of `host`; `members` are the hosts it holds, with their routes."""
    name = scope_name(ground.listener, host)
    hosts = [_virtual_host(one, members[one], ground) for one in sorted(members)]
    key = route.ScopedRouteConfiguration.Key(
        fragments=[route.ScopedRouteConfiguration.Key.Fragment(string_key=name)]
    )
    made = route.ScopedRouteConfiguration(
        name=name, key=key, route_configuration=route_configuration(name, hosts)
    )
    place = next((one.place for one in members.get(host, ()) if not one.own), NOWHERE)
    return resource(SCOPE, name, made, place)


def route_configuration(name: str, hosts: Sequence[route.VirtualHost]) -> route.RouteConfiguration:
    """`hosts`, with what holds for all of them: none of our own headers goes upstream."""
    return route.RouteConfiguration(
        name=name,
        virtual_hosts=hosts,
        request_headers_to_remove=_NOT_FOR_UPSTREAM,
        max_direct_response_body_size_bytes=wkt.UInt32Value(value=_LONGEST_BODY),
    )


def _virtual_host(host: str, routes: Sequence[Route], ground: Ground) -> route.VirtualHost:
    here = Host(host, cookies=any(one.login or one.own for one in routes))
    ranked = [entry for one in routes for entry in entries(one, here, ground)]
    ranked.sort(key=lambda entry: entry[0])
    return route.VirtualHost(
        name=host,
        domains=[host],
        routes=[made for _, made in ranked],
        retry_policy=_before_anything_was_sent(),
    )


def _before_anything_was_sent() -> route.RetryPolicy:
    """Once more, where the kept connection died before it took a byte: safe for every method."""
    return route.RetryPolicy(
        retry_on="reset-before-request,connect-failure", num_retries=wkt.UInt32Value(value=1)
    )
