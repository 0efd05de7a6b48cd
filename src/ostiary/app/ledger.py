"""What is wrong now, kept by who found it; the status page and `up` show it.

Fed by the change loop, by `xds` and by the certificate lane; feeds `admin` and the terminal.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ostiary.api.ports import Red
from ostiary.app.pipeline import Revision
from ostiary.compiler.resources import Resource
from ostiary.errors import ConfigError, Faults, OstiaryError, Refused, Unreachable
from ostiary.store import revisions as history

Say = Callable[[str], None]


@dataclass(slots=True)
class Ledger:
    """The state of the control plane in words. Lives on one event loop."""

    say: Say
    """Called once for every new fault."""
    revision: Revision | None = None
    number: int = 0
    since: float = 0.0
    """When the served revision was accepted."""
    faults: tuple[ConfigError, ...] = ()
    """What is wrong with the newest save; the accepted revision goes on meanwhile."""
    trouble: OstiaryError | None = None
    refusals: dict[tuple[str, str], history.Refusal] = field(default_factory=dict)
    """By proxy and resource: what an Envoy did not take."""
    agents: dict[str, Red] = field(default_factory=dict)
    """By proxy: why there is no Envoy, as its agent says."""
    taken: dict[str, str] = field(default_factory=dict)
    """Proxy -> the content hash of the newest snapshot it holds."""
    news: asyncio.Event = field(default_factory=asyncio.Event)
    """Set whenever a proxy has accepted something."""
    unsaved: asyncio.Event = field(default_factory=asyncio.Event)
    """Set whenever the history has something to learn."""

    def reject(self, error: OstiaryError, so: str = "refused, nothing is changed") -> None:
        """The newest save is wrong; `so` says what is served instead."""
        if isinstance(error, Faults):
            self.faults = error.faults
            self.say(f"{so}:\n{error}")
        else:
            self.trouble = error
            self.say(f"{so}: {error}")

    def accept(self, revision: Revision, now: float) -> None:
        """`revision` is served from `now` (seconds since the epoch) on."""
        self.revision, self.since = revision, now
        self.faults = revision.faults
        self.trouble = None
        views = revision.snapshot.views
        self.refusals = {
            (proxy, name): one
            for (proxy, name), one in self.refusals.items()
            if proxy in views and any(name in group for group in views[proxy].resources.values())
        }
        self.unsaved.set()

    def acked(self, proxy: str, revision: str) -> None:
        """`xds.Reports`: every connected Envoy of `proxy` holds `revision`."""
        self.taken[proxy] = revision
        self.agents.pop(proxy, None)
        self.news.set()
        self.unsaved.set()

    def refused(self, proxy: str, resources: tuple[Resource, ...], error: str) -> None:
        """`xds.Reports`: Envoy said no; the route is on deny until its line is changed."""
        for resource in resources:
            place = self._written(resource, error)
            refusal = history.Refusal(proxy, resource.name, place, error, time.time())
            known = self.refusals.get((proxy, resource.name))
            self.refusals[proxy, resource.name] = refusal
            if known is None or known.reason != error:
                self.say(f"{place}: xds.refused: {proxy} refused {resource.name}: {error}")
        self.unsaved.set()

    def _written(self, resource: Resource, error: str) -> str:
        """The lines of the routes that `error` names; else the line of the resource."""
        routes = self.revision.plan.routes if self.revision else ()
        places = {
            str(route.place): None
            for route in routes
            if f"{route.key.path}@{route.policy}" in error
        }
        return ", ".join(places) or str(resource.place)

    def red(self, more: Iterable[Red] = ()) -> tuple[Red, ...]:
        """Everything that is wrong now."""
        found = [Red(one.code, str(one.place), one.message, one.hint) for one in self.faults]
        if self.trouble is not None:
            found.append(_red(self.trouble, "documents"))
        found += [
            Red("xds.refused", one.place, f"{one.proxy} refused {one.resource}: {one.reason}")
            for one in self.refusals.values()
        ]
        return (*found, *more)


def _red(error: OstiaryError, place: str) -> Red:
    if isinstance(error, Refused | Unreachable):
        return Red(error.code, place, error.message, error.hint)
    return Red("compile", place, str(error))
