"""Every guard's stream: what it has, what it still needs, and when all of them enforce something.

One task a proxy; a slow one only makes itself wait, and gets what it missed in one message, or the
whole table when it missed more than is remembered. Fed by the store; feeds the guards.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import grpc
import structlog
from google.protobuf.message import DecodeError

from ostiary.errors import OstiaryError
from ostiary.verdicts import frames
from ostiary.verdicts.messages import SERVICE, FromGuard
from ostiary.verdicts.ports import Order, Source

HEARTBEAT: Final = 2.0
"""Seconds; a guard takes a stream for dead after five of them."""
MOST_CHANGES: Final = 5_000
"""Changes sent one by one; whoever needs more gets the whole table."""
_REMEMBERED: Final = 64
_log = structlog.get_logger("ostiary.verdicts")


@dataclass(frozen=True, slots=True)
class Receipt:
    """Who enforces everything up to `seq`, and who was connected and does not say so."""

    seq: int
    enforced: tuple[str, ...]
    missing: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class GuardStatus:
    """One proxy's guard, as its stream tells."""

    proxy: str
    applied: int
    entries: int
    refused: int
    guard: str
    current: bool
    """Whether it has everything."""
    cuts: int


@dataclass(eq=False, slots=True)
class _Line:
    """One stream."""

    proxy: str
    sent: int = -1
    """What it was sent; -1 while it needs the whole table."""
    applied: int = -1
    entries: int = 0
    refused: int = 0
    guard: str = ""
    cuts: int = 0
    greeted: asyncio.Event = field(default_factory=asyncio.Event)
    news: asyncio.Event = field(default_factory=asyncio.Event)


class Hub:
    """Lives on the control plane's event loop."""

    def __init__(
        self, source: Source, known: Callable[[str], bool], clock: Callable[[], float] = time.time
    ) -> None:
        """`known(spiffe_id)` says whether that proxy is one of ours now."""
        self._source = source
        self._known = known
        self._clock = clock
        self._order: Order | None = None
        self._lines: dict[str, _Line] = {}
        self._encoded: OrderedDict[tuple[int, int], list[bytes]] = OrderedDict()
        self._acked = asyncio.Condition()
        self._looking = asyncio.Lock()

    async def push(self) -> int:
        """What the store has is on its way to every guard; how far that is."""
        async with self._looking:
            self._order = await asyncio.to_thread(self._source.order)
            for line in self._lines.values():
                line.news.set()
            return self._order.seq

    async def settled(self, seq: int, patience: float = 1.0) -> Receipt:
        """Waits until every connected guard enforces `seq`, at most `patience` seconds."""
        begun = time.monotonic()
        wanted = tuple(self._lines)

        def missing() -> tuple[str, ...]:
            lines = self._lines
            return tuple(one for one in wanted if one in lines and lines[one].applied < seq)

        try:
            async with asyncio.timeout(patience), self._acked:
                await self._acked.wait_for(lambda: not missing())
        except TimeoutError:
            pass
        late = missing()
        enforced = tuple(one for one in wanted if one in self._lines and one not in late)
        gone = tuple(one for one in wanted if one not in self._lines)
        return Receipt(seq, enforced, (*late, *gone), time.monotonic() - begun)

    def status(self) -> list[GuardStatus]:
        """Every guard whose stream is open."""
        seq = self._order.seq if self._order else 0
        return [
            GuardStatus(
                one.proxy,
                max(one.applied, 0),
                one.entries,
                one.refused,
                one.guard,
                one.applied >= seq,
                one.cuts,
            )
            for one in self._lines.values()
        ]

    def handler(self) -> grpc.GenericRpcHandler[Any, Any]:
        """The service, for a `grpc.aio` server with client certificates."""
        rpc = grpc.stream_stream_rpc_method_handler(self._serve)
        return grpc.method_handlers_generic_handler(SERVICE, {"Stream": rpc})

    async def _serve(
        self, requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[bytes]:
        proxy = _peer(context.auth_context())
        if not self._known(proxy):
            await context.abort(
                grpc.StatusCode.PERMISSION_DENIED,
                f"{proxy or 'a peer without a SPIFFE id'} is no proxy of this control plane",
            )
        line = _Line(proxy)
        reading = asyncio.create_task(self._read(line, requests))
        try:
            await line.greeted.wait()
            self._lines[proxy] = line
            async for message in self._write(line):
                if reading.done():
                    break
                yield message
        finally:
            reading.cancel()
            if self._lines.get(proxy) is line:
                del self._lines[proxy]
            await self._told()

    async def _write(self, line: _Line) -> AsyncIterator[bytes]:
        await self.push()
        while self._lines.get(line.proxy) is line:
            line.news.clear()
            try:
                waiting = await self._due(line)
            except OstiaryError as error:
                _log.warning("verdicts cannot be read", proxy=line.proxy, error=str(error))
                waiting = []
            for message in waiting:
                yield message
            try:
                await asyncio.wait_for(line.news.wait(), HEARTBEAT)
            except TimeoutError:
                if line.sent >= 0:
                    yield frames.heartbeat(line.sent, self._clock())

    async def _due(self, line: _Line) -> Iterable[bytes]:
        """What `line` needs to have everything; it counts as sent."""
        order = self._order
        if order is None or line.sent == order.seq:
            return []
        if 0 <= line.sent < order.seq and order.forgotten <= line.sent:
            found = await self._changes(line.sent, order.seq)
            if found is not None:
                line.sent = order.seq
                return found
        whole, verdicts = await asyncio.to_thread(self._source.snapshot)
        made = await asyncio.to_thread(
            lambda: list(frames.snapshot(whole, verdicts, self._clock()))
        )
        line.sent = whole.seq
        return made

    async def _changes(self, first: int, last: int) -> list[bytes] | None:
        """From `first` to `last`, encoded once for all; None when they are too many."""
        known = self._encoded.get((first, last))
        if known is not None:
            return known
        found = await asyncio.to_thread(self._source.since, first, MOST_CHANGES + 1)
        if len(found) > MOST_CHANGES:
            return None
        upto = [one for one in found if one.seq <= last]
        made = frames.deltas(upto, first, last, self._clock())
        self._encoded[first, last] = made
        if len(self._encoded) > _REMEMBERED:
            self._encoded.popitem(last=False)
        return made

    async def _read(self, line: _Line, requests: AsyncIterator[bytes]) -> None:
        """Until the guard says something that makes no sense, or nothing any more."""
        try:
            async for raw in requests:
                message = FromGuard.FromString(raw)
                match message.WhichOneof("kind"):
                    case "hello" if not line.greeted.is_set():
                        await self._greet(line, message.hello)
                    case "ack" if line.greeted.is_set():
                        await self._acknowledged(line, message.ack)
                    case "cut":
                        line.cuts += message.cut.streams
                    case kind:
                        _log.warning("a guard is not understood", proxy=line.proxy, kind=kind)
                        return
        except DecodeError as error:
            _log.warning("a guard is not understood", proxy=line.proxy, error=str(error))
        finally:
            line.greeted.set()
            line.news.set()

    async def _greet(self, line: _Line, hello: Any) -> None:
        order = await asyncio.to_thread(self._source.order)
        line.guard = hello.guard
        if hello.epoch == order.epoch and hello.applied <= order.seq:
            line.sent = line.applied = hello.applied
        line.greeted.set()

    async def _acknowledged(self, line: _Line, ack: Any) -> None:
        order = self._order
        if order is not None and ack.epoch == order.epoch:
            line.applied = ack.applied
        line.entries, line.refused = ack.entries, ack.refused
        await self._told()

    async def _told(self) -> None:
        async with self._acked:
            self._acked.notify_all()


def _peer(auth_context: Any) -> str:
    """The one SPIFFE id of a peer's verified certificate; empty when there is none, or several."""
    names = list(auth_context.get("peer_spiffe_id", ()))
    return names[0].decode() if len(names) == 1 else ""
