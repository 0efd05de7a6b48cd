"""The delta aggregated discovery server: every proxy gets its view, and says what it made of it.

The peer's SPIFFE id decides the view; no view, no answer. Each stream has its own task and state,
so a proxy that is slow or stuck delays nobody, and what it has not read is never queued: the next
message is made from the newest state when the last one is written. Call everything on one event
loop. Fed by `app` (revisions, endpoints, secrets); feeds Envoy and `Reports`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, Never, TypeAlias

import grpc

from ostiary.compiler.resources import ENDPOINTS, SECRET, Resource, Snapshot, View
from ostiary.errors import Refused
from ostiary.protos.messages import discovery
from ostiary.xds.desired import Changes, Desired, SecretSource
from ostiary.xds.peers import Context, spiffe_id
from ostiary.xds.quarantine import Refusal
from ostiary.xds.status import ProxyStatus, Reports, Settled, Silence
from ostiary.xds.stream import WARM_LIMIT, Stream

Requests: TypeAlias = "AsyncIterator[discovery.DeltaDiscoveryRequest]"
SERVICE: Final = "envoy.service.discovery.v3.AggregatedDiscoveryService"
_FIRST_REVISION_LIMIT: Final = 5.0
"""Seconds a proxy is kept waiting for the very first revision of this process."""
_REMEMBERED: Final = 1000
"""Revisions whose order is kept for `settled`."""


@dataclass(eq=False, slots=True)
class _Line:
    """One open stream."""

    stream: Stream
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    accepted: int = 0


@dataclass(eq=False, slots=True)
class _Proxy:
    """One SPIFFE id: its aim and its open streams."""

    desired: Desired
    lines: list[_Line] = field(default_factory=list)
    reported: int = 0
    accepted: str | None = None
    last_seen: float | None = None
    sent: int = 0

    def changed(self, changes: Changes) -> None:
        for line in self.lines:
            line.stream.changed(changes)
            line.wake.set()


class XdsServer:
    """Serves every proxy that connects to a grpc server which has `handlers()`."""

    def __init__(
        self,
        reports: Reports | None = None,
        *,
        secrets: SecretSource | None = None,
        peer: Callable[[Context], str] = spiffe_id,
        warm_limit: float = WARM_LIMIT,
    ) -> None:
        self._reports = reports or Silence()
        self._secrets = secrets
        self._peer = peer
        self._warm_limit = warm_limit
        self._proxies: dict[str, _Proxy] = {}
        self._order: dict[str, int] = {}
        self._revisions: dict[int, str] = {}
        self._number = 0
        self._published = asyncio.Event()
        self._news = asyncio.Event()

    def handlers(self) -> tuple[grpc.GenericRpcHandler[Any, Any], ...]:
        """For `grpc.aio.Server.add_generic_rpc_handlers`."""
        method = grpc.stream_stream_rpc_method_handler(
            self._serve,
            request_deserializer=discovery.DeltaDiscoveryRequest.FromString,
            response_serializer=_as_it_is,
        )
        return (
            grpc.method_handlers_generic_handler(SERVICE, {"DeltaAggregatedResources": method}),
        )

    def publish(self, snapshot: Snapshot) -> None:
        """`snapshot` is what every proxy is led to from now on; the newest one wins.

        `CompileError`, and nothing is sent, when two scopes of a view have the same key.
        """
        known = {name: self._known(name) for name in {*self._proxies, *snapshot.views}}
        keys = {
            name: proxy.desired.scopes_after(snapshot.views.get(name))
            for name, proxy in known.items()
        }
        self._remember(snapshot.revision)
        for name, proxy in known.items():
            view = snapshot.views.get(name)
            proxy.changed(proxy.desired.adopt(view, self._number, keys[name]))
        self._published.set()
        self._tell()

    def publish_endpoints(self, proxy: str, resource: Resource) -> None:
        """New endpoints of one cluster, sent at once, until a revision changes them."""
        known = self._known(proxy)
        known.desired.take_endpoints(resource)
        known.changed({ENDPOINTS: {resource.name}})

    def publish_secrets(self, proxy: str, secrets: Mapping[str, Resource]) -> None:
        """New secrets by name, sent at once to who subscribed; others stay as they are.

        Only names in the proxy's view are ever served.
        """
        known = self._known(proxy)
        known.desired.take_secrets(secrets)
        known.changed({SECRET: set(secrets)})

    def again(self, proxy: str, type_url: str, name: str) -> bool:
        """What `proxy` refused is sent once more, as it is; False when it refused nothing.

        For refusals whose cause lies outside of the resource, such as a taken port.
        """
        known = self._known(proxy)
        found = known.desired.again(type_url, name)
        if found:
            known.changed({type_url: {name}})
        return found

    def served(self, proxy: str) -> View | None:
        """What `proxy` is served now, stand-ins for refused resources included."""
        known = self._proxies.get(proxy)
        return known.desired.served() if known else None

    def status(self) -> tuple[ProxyStatus, ...]:
        """Every proxy that has a view or ever connected, by SPIFFE id."""
        now = asyncio.get_running_loop().time()
        return tuple(_status(proxy, now) for _, proxy in sorted(self._proxies.items()))

    async def settled(self, revision: str, timeout: float) -> Settled:  # noqa: ASYNC109  its point
        """Wait until every connected proxy holds `revision` or a newer one; say who does not.

        Takes `timeout` seconds at most. `KeyError`: the revision was never published.
        """
        number = self._order[revision]
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while self._waiting(number):
                    await self._news.wait()
        waiting = self._waiting(number)
        connected = {name for name, proxy in self._proxies.items() if proxy.lines}
        refused = (
            refusal
            for name in sorted(connected)
            for refusal in self._proxies[name].desired.refusals.values()
        )
        done = tuple(sorted(connected - set(waiting)))
        return Settled(revision, done, waiting, tuple(refused))

    async def _serve(self, requests: Requests, context: Context) -> None:
        proxy = await self._admit(context)
        with self._line(proxy) as line:
            reader = asyncio.create_task(_read(proxy, line, requests))
            try:
                await self._write(proxy, line, context, reader)
            finally:
                reader.cancel()
                with suppress(asyncio.CancelledError):
                    await reader
        if proxy.desired.view is None:
            await _deny(context, f"{proxy.desired.proxy} is no longer part of the configuration")

    async def _admit(self, context: Context) -> _Proxy:
        try:
            name = self._peer(context)
        except Refused as error:
            await _deny(context, str(error))
        with suppress(TimeoutError):
            await asyncio.wait_for(self._published.wait(), _FIRST_REVISION_LIMIT)
        if not self._published.is_set():
            words = "no configuration has been accepted yet; try again"
            await context.abort(grpc.StatusCode.UNAVAILABLE, words)
        proxy = self._proxies.get(name)
        if proxy is None or proxy.desired.view is None:
            await _deny(context, f"{name} has no configuration: no gateway or service has this id")
        return proxy

    @contextmanager
    def _line(self, proxy: _Proxy) -> Iterator[_Line]:
        def refused(refusal: Refusal) -> None:
            proxy.changed({refusal.resource.type_url: {refusal.resource.name}})
            if refusal.final:
                self._reports.refused(proxy.desired.proxy, (refusal.resource,), refusal.words)

        mark = f"{time.time_ns():x}"
        line = _Line(Stream(proxy.desired, refused, mark=mark, limit=self._warm_limit))
        proxy.lines.append(line)
        try:
            yield line
        finally:
            proxy.lines.remove(line)
            self._conclude(proxy)

    async def _write(
        self, proxy: _Proxy, line: _Line, context: Context, reader: asyncio.Task[None]
    ) -> None:
        clock = asyncio.get_running_loop().time
        while proxy.desired.view is not None and not reader.done():
            line.wake.clear()
            while (frame := line.stream.next(clock())) is not None:
                await context.write(frame)
                proxy.sent += len(frame)
            self._note(proxy, line)
            now = clock()
            wake_at = line.stream.wake_at(now)
            with suppress(TimeoutError):
                limit = None if wake_at is None else wake_at - now
                await asyncio.wait_for(line.wake.wait(), limit)

    def _note(self, proxy: _Proxy, line: _Line) -> None:
        if line.stream.settled() and line.accepted != proxy.desired.number:
            line.accepted = proxy.desired.number
            self._conclude(proxy)

    def _conclude(self, proxy: _Proxy) -> None:
        """Report what all streams of a proxy have accepted."""
        accepted = min((line.accepted for line in proxy.lines), default=0)
        if accepted > proxy.reported:
            proxy.reported = accepted
            proxy.accepted = self._revisions.get(accepted)
            if proxy.accepted is not None:
                self._reports.acked(proxy.desired.proxy, proxy.accepted)
        self._tell()

    def _waiting(self, number: int) -> tuple[str, ...]:
        return tuple(
            sorted(
                name
                for name, proxy in self._proxies.items()
                if any(line.accepted < number for line in proxy.lines)
            )
        )

    def _known(self, name: str) -> _Proxy:
        if name not in self._proxies:
            self._proxies[name] = _Proxy(Desired(name, self._secrets))
        return self._proxies[name]

    def _remember(self, revision: str) -> None:
        self._number += 1
        self._order[revision] = self._number
        self._revisions[self._number] = revision
        forgotten = self._revisions.pop(self._number - _REMEMBERED, None)
        if forgotten is not None and self._order[forgotten] == self._number - _REMEMBERED:
            del self._order[forgotten]

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


async def _read(proxy: _Proxy, line: _Line, requests: Requests) -> None:
    try:
        async for request in requests:
            proxy.last_seen = time.time()
            line.stream.receive(request)
            line.wake.set()
    finally:
        line.wake.set()


def _status(proxy: _Proxy, now: float) -> ProxyStatus:
    return ProxyStatus(
        proxy=proxy.desired.proxy,
        connected=len(proxy.lines),
        accepted=proxy.accepted,
        pending=any(line.accepted != proxy.desired.number for line in proxy.lines),
        late=tuple(sorted({name for line in proxy.lines for name in line.stream.late(now)})),
        refused=tuple(proxy.desired.refusals.values()),
        last_seen=proxy.last_seen,
        sent=proxy.sent,
    )


async def _deny(context: Context, words: str) -> Never:
    await context.abort(grpc.StatusCode.PERMISSION_DENIED, words)
    raise AssertionError("grpc's abort does not return")


def _as_it_is(frame: bytes) -> bytes:
    return frame
