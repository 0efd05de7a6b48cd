"""What stands in for a resource that Envoy refused.

A refused scope is served with the routes at fault denying everything in words: they fail closed,
and their neighbours go on. Any other kind keeps what it was before the change.
Fed by `desired`; feeds `stream` and the status.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ostiary.compiler.resources import SCOPE, Resource
from ostiary.protos.messages import core, route
from ostiary.xds.reopening import Reopening


@dataclass(frozen=True, slots=True)
class Refusal:
    """One resource that a proxy refused, and what it gets instead."""

    resource: Resource
    error: str
    """The proxy's own words."""
    instead: Resource | None
    """Sent in its place; None for "nothing": a scope then goes, other kinds stay as they were."""
    search: Reopening | None = None
    """For a scope: how far the search for the routes at fault has come."""

    @property
    def final(self) -> bool:
        """Whether `instead` stays as it is; else the proxy's next answers narrow it."""
        return self.search is None or self.search.done

    @property
    def words(self) -> str:
        """The proxy's words, and which routes are closed if not all."""
        names = self.search.at_fault() if self.search else ()
        return f"{self.error} (closed: {', '.join(names)})" if names else self.error

    def answered(self, *, accepted: bool) -> Refusal:
        """The proxy took `instead`, or refused it too."""
        if self.search is None or self.search.done:
            return self if accepted else replace(self, instead=None)
        search = self.search.accepted() if accepted else self.search.refused()
        return replace(self, search=search, instead=search.proposal())


def refusal(refused: Resource, error: str, before: Resource | None) -> Refusal:
    """The refusal of `refused`, which followed on `before`."""
    if refused.type_url != SCOPE:
        return Refusal(refused, error, before)
    search = Reopening(refused)
    return Refusal(refused, error, search.proposal(), search)


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
