"""What stands in for a resource that Envoy refused.

A refused scope is replaced by one of the same name and key that denies everything in words: the
host fails closed, and its neighbours go on. Any other kind keeps what it was before the change.
Fed by `desired`; feeds `stream` and the status.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from ostiary.compiler.resources import SCOPE, Resource, resource
from ostiary.protos.messages import core, route

_FORBIDDEN: Final = 403
_WORDS: Final = (
    "This address is closed: the gateway refused its configuration.\n"
    "The operator finds the reason and the line with: ostiary status\n"
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One resource that a proxy refused, and what it gets instead."""

    resource: Resource
    error: str
    """The proxy's own words."""
    instead: Resource | None
    """Sent in its place; None for "nothing": a scope then goes, other kinds stay as they were."""


def refusal(refused: Resource, error: str, before: Resource | None) -> Refusal:
    """The refusal of `refused`, which followed on `before`."""
    instead = closed(refused) if refused.type_url == SCOPE else before
    return Refusal(refused, error, instead)


def closed(scope: Resource) -> Resource:
    """A scope with the name and key of `scope` that answers every request 403, in words."""
    refused = route.ScopedRouteConfiguration.FromString(scope.body)
    answer = route.DirectResponseAction(
        status=_FORBIDDEN, body=core.DataSource(inline_string=_WORDS)
    )
    everything = route.Route(match=route.RouteMatch(prefix="/"), direct_response=answer)
    host = route.VirtualHost(name="refused", domains=["*"], routes=[everything])
    stand_in = route.ScopedRouteConfiguration(
        name=refused.name,
        key=refused.key,
        route_configuration=route.RouteConfiguration(
            name=f"{refused.name}/refused", virtual_hosts=[host]
        ),
    )
    return resource(SCOPE, scope.name, stand_in, scope.place)


def afresh(scope: Resource, mark: str) -> Resource:
    """`scope` with the same meaning and version, yet other bytes for each `mark`.

    When Envoy refuses a message of several scopes, it has noted those before the faulty one
    without handing them to its workers, and takes the same bytes later for a repetition that
    needs no work (`ScopedRdsConfigSubscription::addOrUpdateScopes`).
    """
    metadata = core.Metadata()
    metadata.filter_metadata["ostiary.resent"].update({"mark": mark})
    note = route.ScopedRouteConfiguration(
        route_configuration=route.RouteConfiguration(metadata=metadata)
    )
    # Serialised messages that stand one after another are merged by whoever parses them.
    return replace(scope, body=scope.body + note.SerializeToString())
