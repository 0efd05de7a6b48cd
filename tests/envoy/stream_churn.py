"""Many short streams of every kind, cut at any moment of theirs by verdicts fired at random.

`python tests/envoy/stream_churn.py 100000 [KIND ...]` runs it long; the test runs it short. The
listeners are swapped all the while, so a few streams end because their filter chain is drained:
these break off, too. What no stream may do is end as if all were well.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import h2.config
import h2.connection
import h2.events
from connection_churn import (
    CLIENTS,
    STUCK,
    SUBJECTS,
    Churned,
    dice_of,
    forgotten,
    storm,
    subject_name,
)
from connection_rig import Connections, connection_rig

KINDS = ("events", "websocket", "body", "grpc", "waiting")
_LEAVES = 0.3
"""The part of the clients that leave at a random moment."""
_AT_ONCE = 8
"""Streams on one HTTP/2 connection."""
_UPGRADE = (
    b"upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n"
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
_CLOSED = b"\x88\x08\x03\xf0stolen"
_PATHS = {"events": "/sse", "websocket": "/ws", "waiting": "/slow", "body": "/bytes"}


@dataclass
class Streams:
    """How the streams of one kind ended."""

    ended: Counter[str] = field(default_factory=Counter)
    """`told`: cut, and the client read why. `broken`: broken off in the middle. `refused` before
    anything came. `left`: the client went. `well`: as if all were well. `lost`: still there though
    a verdict came."""
    changes: int = 0
    swaps: int = 0

    @property
    def sound(self) -> bool:
        """No stream outlived a verdict, and none ended as if all were well."""
        return not self.ended["lost"] and not self.ended["well"]


def churn(rig: Connections, streams: int, kind: str) -> Streams:
    """`streams` of `kind` are over when this returns, and the guard has forgotten them all."""
    told, found = Churned(), Streams()
    with storm(rig, told):
        asyncio.run(_all(rig, found.ended, streams, kind))
    forgotten(rig)
    found.changes, found.swaps = told.changes, told.swaps
    return found


async def _all(rig: Connections, ended: Counter[str], streams: int, kind: str) -> None:
    each = _Multiplexed.run if kind in ("body", "grpc") else _alone
    at_once = _AT_ONCE if kind in ("body", "grpc") else 1
    left = iter(range(0, streams, at_once))

    async def client(dice: random.Random) -> None:
        for _ in left:
            try:
                await each(rig.ports["edge"], kind, ended, dice)
            except OSError:
                ended["broken"] += at_once

    async with asyncio.TaskGroup() as group:
        for number in range(CLIENTS):
            group.create_task(client(dice_of(number)))


def _subject(dice: random.Random) -> str:
    return subject_name(dice.randrange(SUBJECTS), tls=False)


async def _alone(port: int, kind: str, ended: Counter[str], dice: random.Random) -> None:
    """One stream on a connection of HTTP/1.1."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    path = _PATHS[kind]
    if kind == "websocket" and dice.random() < 0.25:
        path = "/ws/stuck"
    more = _UPGRADE if kind == "websocket" else b""
    head = f"GET {path} HTTP/1.1\r\nHost: app.test\r\nX-Forwarded-For: {_subject(dice)}\r\n"
    writer.write(head.encode() + more + b"\r\n")
    came = bytearray()
    try:
        leaves = dice.random() < _LEAVES
        async with asyncio.timeout(dice.expovariate(50) if leaves else STUCK):
            while piece := await reader.read(65_536):
                came += piece
                if _complete(kind, came):
                    break
        ended[_how(kind, bytes(came))] += 1
    except TimeoutError:
        ended["left" if leaves else "lost"] += 1
    except OSError:
        ended["broken"] += 1
    finally:
        if dice.random() < 0.5:
            writer.transport.abort()
        writer.close()


def _complete(kind: str, came: bytearray) -> bool:
    if came.startswith(b"HTTP/1.1 403"):
        return b"\r\n\r\n" in came
    return kind == "events" and came.endswith(b"\r\n0\r\n\r\n")


def _how(kind: str, came: bytes) -> str:
    """What a client of HTTP/1.1 makes of what it read before the end."""
    if came.startswith(b"HTTP/1.1 403"):
        return "told" if kind == "waiting" else "refused"
    if kind == "events" and came.endswith(b"\r\n0\r\n\r\n"):
        return "told" if b"event: revoked" in came else "well"
    if kind == "websocket" and came.endswith(_CLOSED):
        return "told"
    if kind == "waiting" and came:
        return "well"
    return "broken"


class _Multiplexed:
    """Streams of several people on one connection of HTTP/2."""

    def __init__(self, kind: str, writer: asyncio.StreamWriter) -> None:
        self._kind, self._writer = kind, writer
        config = h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
        self._line = h2.connection.H2Connection(config)
        self._line.initiate_connection()
        self._status: dict[int, str] = {}
        self.open: set[int] = set()

    @classmethod
    async def run(cls, port: int, kind: str, ended: Counter[str], dice: random.Random) -> None:
        """All of them are over when this returns."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        one = cls(kind, writer)
        for _ in range(_AT_ONCE):
            one.ask(_subject(dice))
        one.flush()
        leaves = dice.random() < _LEAVES
        try:
            async with asyncio.timeout(dice.expovariate(20) if leaves else STUCK):
                while one.open and (piece := await reader.read(65_536)):
                    one.hear(piece, ended)
                    if leaves and one.open and dice.random() < 0.02:
                        one.reset(dice.choice(sorted(one.open)), ended)
            ended["broken"] += len(one.open)
        except TimeoutError:
            ended["left" if leaves else "lost"] += len(one.open)
        except OSError:
            ended["broken"] += len(one.open)
        finally:
            writer.transport.abort()

    def ask(self, subject: str) -> None:
        """One more stream."""
        stream = self._line.get_next_available_stream_id()
        calls = self._kind == "grpc"
        path = "/test.T/Watch" if calls else _PATHS[self._kind]
        headers = [(":method", "POST" if calls else "GET"), (":scheme", "http"), (":path", path)]
        headers += [(":authority", "app.test"), ("x-forwarded-for", subject)]
        if calls:
            headers += [("content-type", "application/grpc"), ("te", "trailers")]
        self._line.send_headers(stream, headers, end_stream=not calls)
        if calls:
            self._line.send_data(stream, b"\0\0\0\0\1w", end_stream=True)
        self.open.add(stream)

    def reset(self, stream: int, ended: Counter[str]) -> None:
        """The client wants no more of it."""
        self._line.reset_stream(stream)
        self.flush()
        self._over(stream, "left", ended)

    def flush(self) -> None:
        """What has to be said is on its way."""
        self._writer.write(self._line.data_to_send())

    def hear(self, piece: bytes, ended: Counter[str]) -> None:
        """Counts what ends by it."""
        for event in self._line.receive_data(piece):
            stream = getattr(event, "stream_id", 0) or 0
            if isinstance(event, h2.events.DataReceived):
                length = event.flow_controlled_length
                self._line.acknowledge_received_data(length, stream)
            elif isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
                self._note(stream, {str(name): str(text) for name, text in event.headers or ()})
            elif isinstance(event, h2.events.StreamEnded):
                self._over(stream, self._status.get(stream, "well"), ended)
            elif isinstance(event, h2.events.StreamReset):
                self._over(stream, "told" if self._kind == "body" else "broken", ended)
        self.flush()

    def _note(self, stream: int, headers: dict[str, str]) -> None:
        """A refusal is remembered until the stream ends; anything else ends well."""
        if headers.get("grpc-status") == "7":
            self._status[stream] = "refused" if ":status" in headers else "told"
        elif headers.get(":status") == "403":
            self._status[stream] = "refused"

    def _over(self, stream: int, how: str, ended: Counter[str]) -> None:
        if stream in self.open:
            self.open.discard(stream)
            ended[how] += 1


def main() -> None:
    """Prints how it went, kind by kind."""
    streams, kinds = int(sys.argv[1]), tuple(sys.argv[2:]) or KINDS
    for kind in kinds:
        with tempfile.TemporaryDirectory() as name, connection_rig(Path(name), workers=2) as rig:
            start = time.monotonic()
            found = churn(rig, streams, kind)
            took = time.monotonic() - start
            sys.stdout.write(f"{kind}: {streams} streams, {took:.0f} s: {found}\n")
            sys.stdout.flush()
            if not found.sound:
                sys.exit(f"{kind}: a verdict was missed, or an end looked like a success")


if __name__ == "__main__":
    main()
