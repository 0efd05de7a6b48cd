"""One resource type on one stream: what is subscribed, sent, owed and in flight.

The incremental protocol of "xDS REST and gRPC protocol" (Envoy's documentation), with content
hashes as versions. Holds names and hashes only, never bytes. Fed and read by `stream`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Flag, auto
from math import inf
from typing import TYPE_CHECKING, Final, TypeAlias

from ostiary.compiler.resources import CLUSTER, LISTENER, SCOPE, Resource
from ostiary.xds.desired import AS_IS, Want

if TYPE_CHECKING:
    from ostiary.protos.messages import discovery

WILDCARD_TYPES: Final = frozenset({CLUSTER, LISTENER, SCOPE})
"""Types a proxy may ask for as a whole. Never secrets."""
_WILDCARD: Final = "*"
_UNSURE: Final = ""
"""The version of what a proxy refused: it keeps something, we do not know what."""
_MOST_FLIGHTS: Final = 16
_IMPATIENCE: Final = 10
"""How much shorter the wait is while an older message is overdue."""

Batch: TypeAlias = Mapping[str, Resource | None]
"""Name -> what to send; None removes it."""


class Part(Flag):
    """Which half of a difference goes out now."""

    CHANGES = auto()
    REMOVALS = auto()
    ALL = CHANGES | REMOVALS


@dataclass(frozen=True, slots=True)
class Flight:
    """One message that the proxy has not answered yet."""

    nonce: str
    sent_at: float
    batch: Batch


@dataclass(slots=True)
class Subscription:
    """The state of one type. Names in `due` are sent if they differ, in `forced` in any case."""

    type_url: str
    asked: bool = False
    wildcard: bool = False
    names: set[str] = field(default_factory=set)
    sent: dict[str, str] = field(default_factory=dict)
    due: set[str] = field(default_factory=set)
    forced: set[str] = field(default_factory=set)
    greeting: bool = False
    """A first wildcard request must be answered, if only with an empty message."""
    flights: dict[str, Flight] = field(default_factory=dict)
    unsure: set[str] = field(default_factory=set)
    """Names of which the proxy may have noted a version that it does not use."""
    suspects: list[list[str]] = field(default_factory=list)
    """After a refusal: groups to send apart, until the culprit stands alone."""

    def ask(self, request: discovery.DeltaDiscoveryRequest, everything: Iterable[str]) -> None:
        """Take in what a request subscribes and unsubscribes; `everything` is for a wildcard."""
        first, self.asked = not self.asked, True
        if first:
            self.sent.update(request.initial_resource_versions)
        wanted = set(request.resource_names_subscribe)
        if self.type_url in WILDCARD_TYPES and (_WILDCARD in wanted or (first and not wanted)):
            wanted.discard(_WILDCARD)
            self._ask_all(everything)
            self.unsure = set(self.due) if self.sent else set()
        self.names |= wanted
        known = wanted & self.sent.keys() if first else set[str]()
        self.due |= known
        self.forced |= wanted - known
        self._unsubscribe(request.resource_names_unsubscribe)

    def mark(self, names: Iterable[str]) -> None:
        """`names` may differ from what was sent; only subscribed ones matter."""
        self.due.update(name for name in names if self.wildcard or name in self.names)

    def force(self, names: Iterable[str]) -> None:
        """`names` are sent again even when they did not change."""
        self.forced.update(name for name in names if self.wildcard or name in self.names)

    def pick(self, want: Callable[[str, str], Want], part: Part) -> Batch:
        """What the next message must carry; empty when nothing is owed in this `part`."""
        owed: dict[str, Resource | None] = {}
        for name in self.due | self.forced:
            wanted = want(self.type_url, name)
            if wanted is AS_IS and name in self.forced and name not in self.sent:
                wanted = None  # it asks for the first time and must not wait in vain
            if wanted is AS_IS or self._has(name, wanted):
                self.due.discard(name)
                self.forced.discard(name)
            elif self._goes(name, wanted, part):
                owed[name] = wanted
        while self.suspects:
            group = {name: owed[name] for name in self.suspects.pop(0) if name in owed}
            if group:
                return group
        return owed

    def launch(self, flight: Flight) -> None:
        """The message is on the wire: its names are owed no more."""
        self.flights[flight.nonce] = flight
        self.greeting = False
        for name, resource in flight.batch.items():
            self.due.discard(name)
            self.forced.discard(name)
            self.unsure.discard(name)
            if resource is None:
                self.sent.pop(name, None)
            else:
                self.sent[name] = resource.version

    def land(self, nonce: str) -> Flight | None:
        """The proxy answered `nonce`; None when that was not of this stream."""
        return self.flights.pop(nonce, None)

    def doubt(self, flight: Flight) -> Resource | None:
        """The proxy refused `flight`: returns the culprit if it stood alone, else halves it."""
        batch = flight.batch
        for name in batch:
            self.sent[name] = _UNSURE
            self.due.add(name)
        if len(batch) > 1:
            self.unsure.update(batch)
            # Removals first: a scope that took over a removed one's key must come after it.
            names = sorted(batch, key=lambda name: (batch[name] is not None, name))
            middle = len(names) // 2
            self.suspects[0:0] = [names[:middle], names[middle:]]
            return None
        for name, resource in batch.items():
            if resource is None:
                self.due.discard(name)
                del self.sent[name]
            return resource
        return None

    def free_at(self, now: float, limit: float) -> float:
        """When the next message may go: after an answer, or `limit` seconds without one.

        While the proxy owes an answer for longer (Envoy holds back the ACKs of all clusters until
        the last is warm), it is asked for less patience, so that others do not pay each time.
        """
        if len(self.flights) >= _MOST_FLIGHTS:
            return inf
        sent = [flight.sent_at for flight in self.flights.values()]
        overdue = any(now - start >= limit for start in sent)
        return max(sent, default=-inf) + (limit / _IMPATIENCE if overdue else limit)

    @property
    def idle(self) -> bool:
        """Nothing owed, nothing unanswered."""
        return not (self.due or self.forced or self.flights or self.greeting)

    def _ask_all(self, everything: Iterable[str]) -> None:
        self.wildcard = True
        self.greeting = not self.sent
        self.due.update(everything, self.sent)

    def _unsubscribe(self, names: Iterable[str]) -> None:
        for name in names:
            if name == _WILDCARD:
                self.wildcard = False
            self.names.discard(name)
            if not self.wildcard:
                self.sent.pop(name, None)
                self.due.discard(name)
                self.forced.discard(name)

    def _has(self, name: str, wanted: Resource | None) -> bool:
        if name in self.forced:
            return False
        return self.sent.get(name) == wanted.version if wanted else name not in self.sent

    def _goes(self, name: str, wanted: Resource | None, part: Part) -> bool:
        # A name that was asked for and does not exist is answered with the changes, at once.
        removal = wanted is None and name not in self.forced
        return bool(part & (Part.REMOVALS if removal else Part.CHANGES))
