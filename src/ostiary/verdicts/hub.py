"""Every guard's stream: what it has, what it still needs, and when all of them enforce something.

One task a stream; a slow one only makes itself wait, for what it has not read is never queued: it
gets what it missed in one message when it reads again. Fed by the store; feeds the guards.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, Final, Never

import grpc
import structlog
from google.protobuf.message import DecodeError

from ostiary.certs.spiffe import peer
from ostiary.errors import OstiaryError
from ostiary.verdicts import frames
from ostiary.verdicts.encoded import Encoded
from ostiary.verdicts.line import Line, Nonsense
from ostiary.verdicts.messages import SERVICE, FromGuard
from ostiary.verdicts.ports import Fanout, GuardStatus, Order, Receipt, Source

HEARTBEAT: Final = 2.0
"""Seconds; a guard takes a stream for dead after five of them."""
_GREETING: Final = 10.0
"""Seconds in which a guard must say what it has."""
_FIRST_REVISION: Final = 5.0
"""Seconds that guards wait for a control plane that does not know its proxies yet."""
_NAP: Final = 0.02
_LOOK: Final = 1.0
"""Seconds between two looks at a store that nobody else writes to: a knock may get lost."""
_LOOK_SHARED: Final = 0.25
_SILENT: Final = 3.0
"""Seconds after which a store that neither answers nor fails counts as one that is away."""
_log = structlog.get_logger("ostiary.verdicts")


class Hub:
    """Lives on the control plane's event loop."""

    def __init__(
        self,
        source: Source,
        known: Callable[[str], bool],
        clock: Callable[[], float] = time.time,
        fanout: Fanout | None = None,
    ) -> None:
        """`known(spiffe_id)` says whether that proxy is one of ours now."""
        self._source = source
        self._known = known
        self._clock = clock
        self._fanout = fanout
        self._encoded = Encoded(source)
        self._order: Order | None = None
        self._lines: list[Line] = []
        self._acked = asyncio.Condition()
        self._looking = asyncio.Lock()
        self._next: asyncio.Task[int] | None = None
        self._announced = 0
        self._began = False
        """Whether a first proxy was let in."""
        self._seen = float("-inf")
        self._begun = time.monotonic()
        self._trouble = ""
        self._telling: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """What others wrote is found, what is over is lifted; until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_looking())
            if self._fanout is not None:
                group.create_task(self._hear(self._fanout))

    async def push(self) -> int:
        """What the store has is on its way to every guard; how far that is.

        Whoever asks while another look has not begun shares it.
        """
        seq = await self._look()
        if self._fanout is not None and self._announced < seq:
            self._announced = seq
            task = asyncio.create_task(self._fanout.tell(seq))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)
        return seq

    async def settled(self, seq: int, patience: float = 1.0) -> Receipt:
        """Waits until every guard that is connected enforces `seq`, at most `patience` seconds."""
        begun = time.monotonic()
        wanted = list(self._lines)

        def waiting() -> bool:
            order = self._order
            return any(not one.enforces(order, seq) and one in self._lines for one in wanted)

        with suppress(TimeoutError):
            async with asyncio.timeout(patience), self._acked:
                await self._acked.wait_for(lambda: not waiting())
        done = [one for one in wanted if one in self._lines and one.enforces(self._order, seq)]
        late = {one.proxy for one in wanted if one not in done}
        enforced = {one.proxy for one in wanted} - late
        seconds = time.monotonic() - begun
        return Receipt(seq, tuple(sorted(enforced)), tuple(sorted(late)), seconds)

    def status(self) -> list[GuardStatus]:
        """Every guard whose stream is open."""
        return [one.status(self._order) for one in self._lines]

    def signing_keys(self) -> list[bytes]:
        """The public key of every guard that is connected and has one; several may be one proxy."""
        return [one.signing_key for one in self._lines if one.signing_key]

    @property
    def trouble(self) -> str:
        """Why the store cannot be read now; empty when it can."""
        silent = time.monotonic() - max(self._seen, self._begun)
        if not self._trouble and silent > _SILENT:
            return f"the store has not answered for {silent:.0f} s"
        return self._trouble

    def handler(self) -> grpc.GenericRpcHandler[Any, Any]:
        """The service, for a `grpc.aio` server with client certificates."""
        rpc = grpc.stream_stream_rpc_method_handler(self._serve)
        return grpc.method_handlers_generic_handler(SERVICE, {"Stream": rpc})

    async def _look(self) -> int:
        if self._next is None:
            self._next = asyncio.create_task(self._read_order())
        return await asyncio.shield(self._next)

    async def _read_order(self) -> int:
        async with self._looking:
            self._next = None  # whoever asks from here on needs another look
            order = await asyncio.to_thread(self._source.order)
            self._seen = time.monotonic()
            if order != self._order:
                self._order = order
                for line in self._lines:
                    line.news.set()
            return order.seq

    async def _keep_looking(self) -> None:
        shared = self._source.shared or self._fanout is not None
        pause, over = (_LOOK_SHARED if shared else _LOOK), 0.0
        while True:
            try:
                if time.monotonic() >= over:
                    over = time.monotonic() + _LOOK
                    await asyncio.to_thread(self._source.expire, self._clock())
                await self._look()
                await self._refill()
                self._trouble = ""
            except OstiaryError as error:
                self._lament(error)
            await asyncio.sleep(pause)

    async def _refill(self) -> None:
        """A table that was full and has room again gets everything: it refused what it lacks."""
        full = [line for line in self._lines if line.refused]
        if full:
            held = await asyncio.to_thread(self._source.held)
            for line in full:
                line.may_hold(held)

    async def _hear(self, fanout: Fanout) -> None:
        async for _ in fanout.heard():
            with suppress(OstiaryError):
                await self._look()

    async def _serve(
        self, requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext[Any, Any]
    ) -> None:
        line = Line(await self._admit(context))
        reading = asyncio.create_task(self._read(line, requests))
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(line.greeted.wait(), _GREETING)
            if line.hello is not None:
                self._lines.append(line)
                await self._write(line, context, reading)
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading
            if line in self._lines:
                self._lines.remove(line)
            await self._tell_acked()
        if line.nonsense:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, line.nonsense)
        if not self._known(line.proxy):
            await _deny(context, line.proxy)

    async def _admit(self, context: grpc.aio.ServicerContext[Any, Any]) -> str:
        proxy = peer(context.auth_context())
        deadline = time.monotonic() + _FIRST_REVISION
        while not self._known(proxy):
            if self._began or not proxy or time.monotonic() > deadline:
                await _deny(context, proxy)
            await asyncio.sleep(_NAP)  # we start: which proxies there are is not known yet
        self._began = True
        return proxy

    async def _write(
        self,
        line: Line,
        context: grpc.aio.ServicerContext[Any, Any],
        reading: asyncio.Task[None],
    ) -> None:
        with suppress(OstiaryError):
            await self._look()
        beat = time.monotonic()
        while self._known(line.proxy) and not reading.done():
            line.news.clear()
            if await self._send_due(line, context):
                beat = time.monotonic()
            left = beat + HEARTBEAT - time.monotonic()
            if left <= 0:
                beat = time.monotonic()
                await self._send_heartbeat(line, context)
                continue
            with suppress(TimeoutError):
                await asyncio.wait_for(line.news.wait(), left)

    async def _send_due(self, line: Line, context: grpc.aio.ServicerContext[Any, Any]) -> bool:
        """`line` was sent everything there is; True when that was anything."""
        order = self._order
        if order is None or line.has_been_sent(order):
            return False
        line.needs()
        try:
            due = await self._encoded.after(line.sent_of(order), order)
        except OstiaryError as error:
            self._lament(error)
            return False
        for message in due.messages:
            await context.write(due.stamped(message, self._clock()))
        line.was_sent(order.epoch, due.seq)
        return True

    async def _send_heartbeat(
        self, line: Line, context: grpc.aio.ServicerContext[Any, Any]
    ) -> None:
        """Only if it is true: the store was asked since the last one, and `line` has it all."""
        order = self._order
        seen = time.monotonic() - self._seen < HEARTBEAT
        if order is not None and seen and line.has_been_sent(order):
            await context.write(frames.heartbeat(order.seq, self._clock()))

    async def _read(self, line: Line, requests: AsyncIterator[bytes]) -> None:
        """Until the guard says something that makes no sense, or nothing any more."""
        try:
            async for raw in requests:
                line.hear(FromGuard.FromString(raw))
                await self._tell_acked()
        except (DecodeError, Nonsense) as error:
            line.nonsense = str(error)
            _log.warning("a guard is not understood", proxy=line.proxy, error=str(error))
        finally:
            line.greeted.set()
            line.news.set()

    async def _tell_acked(self) -> None:
        async with self._acked:
            self._acked.notify_all()

    def _lament(self, error: OstiaryError) -> None:
        if self._trouble != str(error):
            self._trouble = str(error)
            _log.warning("verdicts cannot be read", error=str(error))


async def _deny(context: grpc.aio.ServicerContext[Any, Any], proxy: str) -> Never:
    await context.abort(
        grpc.StatusCode.PERMISSION_DENIED,
        f"{proxy or 'a peer without a SPIFFE id'} is no proxy of this control plane",
    )
    raise AssertionError("grpc's abort does not return")
