"""One connection of one proxy as a state machine: requests in, frames out, in a safe order.

Make before break (`routes.md`, "Recommended layout"): clusters and their endpoints, their ACK
(which Envoy holds back until they are warm), filters, scopes, listeners, and only when all of
these are accepted the removals. Endpoints and secrets go out whenever they change.
No I/O and no clock here: `server` reads, writes and says what time it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf
from typing import TYPE_CHECKING, Final

from ostiary.compiler.resources import (
    CLUSTER,
    ENDPOINTS,
    FILTER,
    LISTENER,
    SCOPE,
    SECRET,
)
from ostiary.xds import frames
from ostiary.xds.desired import Changes, Desired
from ostiary.xds.quarantine import Refusal, afresh
from ostiary.xds.subscription import Batch, Flight, Part, Subscription

if TYPE_CHECKING:
    from ostiary.protos.messages import discovery

WARM_LIMIT: Final = 2.0
"""Seconds to wait for an ACK before the rest of a revision goes on without it."""
_STEPS: Final = (
    (CLUSTER, Part.CHANGES),
    (FILTER, Part.CHANGES),
    (SCOPE, Part.ALL),
    (LISTENER, Part.ALL),
)
_ORDERED: Final = frozenset(type_url for type_url, _ in _STEPS)
_LAST: Final = (CLUSTER, FILTER, ENDPOINTS, SECRET)


class Stream:
    """All types of one stream. Call `receive` and `changed` as things happen, then `next`.

    `refused` hears of each refusal, and again whenever a stand-in changes.
    `mark` is unlike that of any other stream of the proxy; see `quarantine.afresh`.
    """

    def __init__(
        self,
        desired: Desired,
        refused: Callable[[Refusal], None],
        *,
        mark: str = "",
        limit: float = WARM_LIMIT,
    ) -> None:
        self.desired = desired
        self._refused = refused
        self._mark = mark
        self._limit = limit
        self._nonce = 0
        self._subscriptions = {type_url: Subscription(type_url) for type_url in _ORDERED}
        self._subscriptions |= {lane: Subscription(lane) for lane in (ENDPOINTS, SECRET)}

    def receive(self, request: discovery.DeltaDiscoveryRequest) -> None:
        """Take in one request: an ACK or NACK, a change of subscription, or both."""
        type_url = request.type_url
        subscription = self._subscriptions.setdefault(type_url, Subscription(type_url))
        flight = subscription.land(request.response_nonce)
        if flight is not None and request.HasField("error_detail"):
            culprit = subscription.doubt(flight)
            if culprit is not None:
                self._learn(self.desired.refuse(culprit, request.error_detail.message))
        elif flight is not None and self.desired.refusals:
            for resource in flight.batch.values():
                self._learn(self.desired.accept(resource) if resource else None)
        subscription.ask(request, self.desired.names(type_url))

    def changed(self, changes: Changes) -> None:
        """The desired state changed under these names."""
        for type_url, names in changes.items():
            if type_url in self._subscriptions:
                self._subscriptions[type_url].mark(names)

    def next(self, now: float) -> bytes | None:
        """The frame to send next, or None until something happens or `wake_at` comes."""
        for type_url in self._subscriptions.keys() - _ORDERED:
            frame = self._send(type_url, Part.CHANGES, now)
            if frame is not None:
                return frame
        for type_url, part in _STEPS:
            frame = self._send(type_url, part, now)
            if frame is not None or self._busy(type_url, now):
                return frame
        return self._remove(now)

    def wake_at(self, now: float) -> float | None:
        """When waiting for an ACK gives up, on the clock of `next`; None: nothing waits."""
        ends = (kind.free_at(now, self._limit) for kind in self._subscriptions.values())
        return min((end for end in ends if now < end < inf), default=None)

    def settled(self) -> bool:
        """The proxy asked for every type its view has, and accepted (or refused) all of it."""
        view = self.desired.view
        asked = all(
            self._subscriptions[type_url].asked
            for type_url in _ORDERED
            if view and view.resources.get(type_url)
        )
        return asked and all(
            subscription.idle
            for type_url, subscription in self._subscriptions.items()
            if type_url != SECRET
        )

    def late(self, now: float) -> Iterable[str]:
        """Clusters that the proxy took but could not warm within the limit."""
        for flight in self._subscriptions[CLUSTER].flights.values():
            if now - flight.sent_at >= self._limit:
                yield from flight.batch

    def _learn(self, refusal: Refusal | None) -> None:
        if refusal is not None:
            self._subscriptions[refusal.resource.type_url].mark([refusal.resource.name])
            self._refused(refusal)

    def _remove(self, now: float) -> bytes | None:
        # Nothing old goes before everything new is accepted; here no limit helps.
        if any(self._subscriptions[type_url].flights for type_url in _ORDERED):
            return None
        for type_url in _LAST:
            frame = self._send(type_url, Part.REMOVALS, now)
            if frame is not None:
                return frame
        return None

    def _send(self, type_url: str, part: Part, now: float) -> bytes | None:
        subscription = self._subscriptions[type_url]
        if not subscription.asked or self._busy(type_url, now):
            return None
        batch = subscription.pick(self.desired.want, part)
        if not batch and not subscription.greeting:
            return None
        self._nonce += 1
        flight = Flight(f"{self._nonce:x}", now, batch)
        frame = self._frame(subscription, flight)
        subscription.launch(flight)
        if type_url == CLUSTER:
            self._follow_with_endpoints(batch)
        return frame

    def _frame(self, subscription: Subscription, flight: Flight) -> bytes:
        resources = [resource for resource in flight.batch.values() if resource is not None]
        removed = [name for name, resource in flight.batch.items() if resource is None]
        if subscription.type_url == SCOPE and subscription.unsure:
            mark = f"{self._mark}.{flight.nonce}"
            resources = [
                afresh(resource, mark) if resource.name in subscription.unsure else resource
                for resource in resources
            ]
        return frames.response(subscription.type_url, flight.nonce, resources, removed)

    def _follow_with_endpoints(self, batch: Batch) -> None:
        # A live cluster that changes does not ask for its endpoints again and would wait 15 s.
        changed = [name for name, resource in batch.items() if resource is not None]
        self._subscriptions[ENDPOINTS].force(changed)

    def _busy(self, type_url: str, now: float) -> bool:
        return now < self._subscriptions[type_url].free_at(now, self._limit)
