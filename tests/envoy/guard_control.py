"""A control plane of a few lines: it tells a guard what a test wants it to know, well or badly.

Runs on a thread of its own; every method may be called from a test.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
import uuid
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from typing import Any

import grpc

from ostiary.verdicts.messages import EFFECTS, KINDS, SERVICE, FromGuard, ToGuard

_PATH = f"/{SERVICE}/Stream"
_PATIENCE = 5.0


@dataclass(frozen=True)
class Held:
    """One verdict, as a test says it."""

    kind: str
    key: str
    effect: str = "DENY"
    reason: str = "stolen"
    score: int = 0
    rate: int = 0
    per_ms: int = 0
    since: float = field(default_factory=time.time)
    expires: float = 0
    id: uuid.UUID = field(default_factory=uuid.uuid4)

    def write(self, out: Any) -> None:
        """Into a `Verdict` message."""
        out.id = self.id.bytes
        out.kind = KINDS.index(self.kind)
        out.key = self.key
        out.effect = EFFECTS.index(self.effect)
        out.reason, out.source = self.reason, "tests"
        out.since_ms, out.expires_ms = int(self.since * 1000), int(self.expires * 1000)
        out.score, out.rate, out.per_ms = self.score, self.rate, self.per_ms


@dataclass(eq=False)
class _Line:
    """One stream of one guard."""

    queue: asyncio.Queue[bytes | None]
    hello: Any


class Control:
    """The service `Verdicts`, with a table of its own."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.epoch, self.seq = "first", 0
        self.table: dict[uuid.UUID, Held] = {}
        self.hellos: list[Any] = []
        self.acks: list[Any] = []
        self.heartbeats = True
        self.refusal: grpc.StatusCode | None = None
        self._lines: list[_Line] = []
        self._heard = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._server: grpc.aio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def start(self) -> None:
        """It answers."""
        self._do(self._start())

    def stop(self) -> None:
        """Nobody listens there, and every stream is broken off."""
        self._do(self._stop())

    def close(self) -> None:
        """Its thread is gone."""
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def put(self, *held: Held) -> float:
        """Enforced when this returns; the seconds it took."""
        self.table.update({one.id: one for one in held})
        return self._change(lambda one, change: one.write(change.put), held)

    def lift(self, *held: Held) -> float:
        """They hold no longer when this returns."""
        for one in held:
            self.table.pop(one.id, None)
        return self._change(_write_lift, held)

    def send(self, message: bytes) -> None:
        """These bytes go to every guard as one message."""
        self._loop.call_soon_threadsafe(self._send, message)

    def hang_up(self) -> None:
        """Every stream ends in order."""
        self._loop.call_soon_threadsafe(self._send, None)

    def wait(self, what: str, least: int) -> None:
        """Returns when there are `least` of `hellos` or `acks`."""
        with self._heard:
            done = self._heard.wait_for(lambda: len(getattr(self, what)) >= least, _PATIENCE)
        assert done, f"{len(getattr(self, what))} {what}, not {least}"

    def settled(self) -> None:
        """Returns when a guard has acknowledged everything."""
        with self._heard:
            done = self._heard.wait_for(self._is_settled, _PATIENCE)
        assert done, f"the guard never got to {self.epoch}/{self.seq}: {self.acks[-1:]}"

    def _is_settled(self) -> bool:
        last = self.acks[-1:]
        return bool(last) and (last[0].epoch, last[0].applied) == (self.epoch, self.seq)

    def _change(self, write: Any, held: tuple[Held, ...]) -> float:
        message = ToGuard()
        setattr(message.delta, "from", self.seq)
        self.seq += len(held)
        message.delta.seq, message.delta.time_ms = self.seq, _now()
        for one in held:
            write(one, message.delta.changes.add())
        start = time.perf_counter()
        self.send(message.SerializeToString())
        self.settled()
        return time.perf_counter() - start

    def _send(self, message: bytes | None) -> None:
        for line in self._lines:
            line.queue.put_nowait(message)

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(_PATIENCE)

    async def _start(self) -> None:
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers((_Handler(self),))
        self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self._server.start()

    async def _stop(self) -> None:
        if self._server is not None:
            await self._server.stop(0)
            self._server = None

    async def serve(self, said: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        """One stream: what the guard lacks, then whatever a test says, and heartbeats."""
        if self.refusal is not None:
            await context.abort(self.refusal, "not now")
        hello = FromGuard.FromString(await anext(aiter(said))).hello
        line = _Line(asyncio.Queue(), hello)
        if (hello.epoch, hello.applied) != (self.epoch, self.seq):
            line.queue.put_nowait(self.snapshot())
        else:
            line.queue.put_nowait(self._beat())
        self._lines.append(line)
        self._note(self.hellos, hello)
        reading = asyncio.create_task(self._read(said))
        try:
            while (message := await self._next(line)) is not None:
                if message:
                    yield message
        finally:
            self._lines.remove(line)
            reading.cancel()

    async def _next(self, line: _Line) -> bytes | None:
        try:
            return await asyncio.wait_for(line.queue.get(), 0.25)
        except TimeoutError:
            return self._beat() if self.heartbeats else b""

    async def _read(self, said: AsyncIterator[bytes]) -> None:
        with contextlib.suppress(grpc.RpcError, asyncio.CancelledError):
            async for message in said:
                told = FromGuard.FromString(message)
                if told.WhichOneof("kind") == "ack":
                    self._note(self.acks, told.ack)

    def _note(self, where: list[Any], what: Any) -> None:
        with self._heard:
            where.append(what)
            self._heard.notify_all()

    def _beat(self) -> bytes:
        message = ToGuard()
        message.heartbeat.seq, message.heartbeat.time_ms = self.seq, _now()
        return bytes(message.SerializeToString())

    def snapshot(self) -> bytes:
        """The whole table as one message."""
        message = ToGuard()
        message.snapshot.epoch, message.snapshot.seq = self.epoch, self.seq
        message.snapshot.last, message.snapshot.time_ms = True, _now()
        for one in self.table.values():
            one.write(message.snapshot.verdicts.add())
        return bytes(message.SerializeToString())


class _Handler(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # not generic at run time
    def __init__(self, control: Control) -> None:
        self._control = control

    def service(self, details: Any) -> Any:
        if details.method != _PATH:
            return None
        return grpc.stream_stream_rpc_method_handler(self._control.serve)


def _write_lift(one: Held, change: Any) -> None:
    change.lift.id, change.lift.key = one.id.bytes, one.key
    change.lift.kind = KINDS.index(one.kind)


def _now() -> int:
    return int(time.time() * 1000)
