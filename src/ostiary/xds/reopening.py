"""The search for the one route that made Envoy refuse a whole scope.

A refused scope is first closed route by route, then opened again group by group, halving a group
that is refused; what stays closed in the end is at fault. At no time does a request reach a route
other than the one it would have reached: a closed route still takes its own requests, and answers
403. Pure values; `quarantine` steps them with each answer of the proxy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias

from ostiary.compiler.resources import SCOPE, Resource, resource
from ostiary.protos.messages import core, route

if TYPE_CHECKING:
    from ostiary.protos.messages import route as messages

Group: TypeAlias = tuple[int, ...]
"""Routes by their number in the scope, counted through all its virtual hosts."""
_FORBIDDEN: Final = 403
_WORDS: Final = (
    "This address is closed: the gateway refused its configuration.\n"
    "The operator finds the reason and the line with: ostiary status\n"
)


@dataclass(frozen=True, slots=True)
class Reopening:
    """One state of the search; `proposal` is what the proxy is asked to take next."""

    scope: Resource
    groups: tuple[Group, ...] = ()
    """Still to be opened; the first is on trial."""
    opened: frozenset[int] = frozenset()
    closed: frozenset[int] = frozenset()
    """Found to be at fault."""
    begun: bool = False
    """The proxy took the scope with every route closed."""
    hopeless: bool = False
    """Not even that: nothing of the scope can be kept but its key."""

    @property
    def done(self) -> bool:
        """Nothing is left to try."""
        return self.hopeless or (self.begun and not self.groups)

    def accepted(self) -> Reopening:
        """The proxy took the proposal."""
        if not self.begun:
            numbers = tuple(number for number, _ in _numbered(_parsed(self.scope)))
            return replace(self, begun=True, groups=_halves(numbers))
        return replace(self, opened=self.opened.union(self.groups[0]), groups=self.groups[1:])

    def refused(self) -> Reopening:
        """The proxy refused the proposal and keeps the one before."""
        if not self.groups:
            return replace(self, hopeless=True)
        group, *others = self.groups
        if len(group) == 1:
            return replace(self, closed=self.closed.union(group), groups=tuple(others))
        return replace(self, groups=(*_halves(group), *others))

    def proposal(self) -> Resource:
        """The scope with what is proven and what is on trial open, all else closed."""
        message = _parsed(self.scope)
        if self.hopeless:
            _close_all(message)
        else:
            trial = self.groups[0] if self.groups else ()
            for number, one in _numbered(message):
                if number not in self.opened and number not in trial:
                    _close(one)
        return resource(SCOPE, self.scope.name, message, self.scope.place)

    def at_fault(self) -> tuple[str, ...]:
        """The names of the routes that stay closed; empty when it is the whole scope."""
        return tuple(
            one.name for number, one in _numbered(_parsed(self.scope)) if number in self.closed
        )


def _parsed(scope: Resource) -> messages.ScopedRouteConfiguration:
    return route.ScopedRouteConfiguration.FromString(scope.body)


def _numbered(
    message: messages.ScopedRouteConfiguration,
) -> Iterator[tuple[int, messages.Route]]:
    hosts = message.route_configuration.virtual_hosts
    return enumerate(one for host in hosts for one in host.routes)


def _close(one: messages.Route) -> None:
    kept = route.Route(name=one.name, match=one.match, direct_response=_no())
    one.CopyFrom(kept)


def _close_all(message: messages.ScopedRouteConfiguration) -> None:
    everything = route.Route(match=route.RouteMatch(prefix="/"), direct_response=_no())
    host = route.VirtualHost(name="refused", domains=["*"], routes=[everything])
    name = message.route_configuration.name
    message.route_configuration.CopyFrom(route.RouteConfiguration(name=name, virtual_hosts=[host]))


def _no() -> messages.DirectResponseAction:
    return route.DirectResponseAction(status=_FORBIDDEN, body=core.DataSource(inline_string=_WORDS))


def _halves(group: Group) -> tuple[Group, ...]:
    middle = len(group) // 2
    return tuple(half for half in (group[:middle], group[middle:]) if half)
