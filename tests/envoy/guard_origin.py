"""An application whose answers stay open: events, bytes, WebSockets, gRPC, or no answer at all.

`/sse` and `/bytes` go on, `/quiet` says one event and no more, `/half-event` stops within an event,
`/slow` never answers, `/ws` greets and listens, `/ws/stuck` and `/ws/slow` stop within a frame,
`/refuse` refuses an upgrade; anything else says what it was asked.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import grpc

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_PAUSE = 0.02


@dataclass(frozen=True)
class Origin:
    """Where it listens."""

    http: int
    grpc: int


@contextlib.contextmanager
def origin() -> Iterator[Origin]:
    """A running application, on a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    http, calls, port = asyncio.run_coroutine_threadsafe(_serve(), loop).result(5)
    try:
        yield Origin(http.sockets[0].getsockname()[1], port)
    finally:
        asyncio.run_coroutine_threadsafe(_end(http, calls), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _serve() -> tuple[asyncio.Server, grpc.aio.Server, int]:
    http = await asyncio.start_server(_connection, "127.0.0.1", 0, backlog=1024)
    calls = grpc.aio.server()
    calls.add_generic_rpc_handlers((_Calls(),))
    port = calls.add_insecure_port("127.0.0.1:0")
    await calls.start()
    return http, calls, port


async def _end(http: asyncio.Server, calls: grpc.aio.Server) -> None:
    http.close()
    await calls.stop(0)
    others = [one for one in asyncio.all_tasks() if one is not asyncio.current_task()]
    for one in others:
        one.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    # Transports close a turn later.
    await asyncio.sleep(0.01)


async def _connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.strip().split("\r\n")
            headers = [(name.lower(), value) for name, value in (x.split(": ", 1) for x in lines)]
            path = first.split(" ")[1]
            path = path.partition("?")[0].removeprefix("/trusted").removeprefix("/keeping")
            await _answer(path, dict(headers), headers, writer)
    writer.close()


async def _answer(
    path: str, headers: dict[str, str], lines: list[tuple[str, str]], writer: asyncio.StreamWriter
) -> None:
    if path.startswith("/ws"):
        await _frames(path, headers["sec-websocket-key"], writer)
    elif path == "/refuse":
        writer.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno")
    elif path == "/slow":
        await asyncio.sleep(60)
    elif path == "/sse":
        await _go_on(writer, b"text/event-stream", b"data: x\n\n")
    elif path == "/bytes":
        await _go_on(writer, b"application/octet-stream", b"x" * 100)
    elif path == "/quiet":
        _begin(writer, b"text/event-stream")
        _chunk(writer, b"data: x\n\n")
        await asyncio.sleep(600)
    elif path == "/half-event":
        _begin(writer, b"text/event-stream")
        _chunk(writer, b"data: x\n\ndata: ha")
        await asyncio.sleep(60)
    else:
        body = json.dumps({"path": path, "headers": lines}).encode()
        cookies = b"set-cookie: a=1\r\nset-cookie: __Host-ostiary-session=forged\r\n"
        size = f"content-length: {len(body)}\r\n".encode()
        writer.write(b"HTTP/1.1 200 OK\r\n" + cookies + size + b"\r\n")
        if not path.startswith("/head"):
            writer.write(body)
    await writer.drain()


def _begin(writer: asyncio.StreamWriter, kind: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ntransfer-encoding: chunked\r\n\r\n"
    writer.write(head % kind)


def _chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(b"%x\r\n%s\r\n" % (len(data), data))


async def _go_on(writer: asyncio.StreamWriter, kind: bytes, piece: bytes) -> None:
    _begin(writer, kind)
    while not writer.is_closing():
        _chunk(writer, piece)
        await writer.drain()
        await asyncio.sleep(_PAUSE)


async def _frames(path: str, key: str, writer: asyncio.StreamWriter) -> None:
    accept = base64.b64encode(hashlib.sha1(key.encode() + _MAGIC).digest())  # noqa: S324  RFC 6455
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        b"sec-websocket-accept: " + accept + b"\r\n\r\n"
    )
    writer.write(b"\x81\x05hello")
    if path == "/ws/stuck":
        writer.write(b"\x82\x64" + b"x" * 50)
    elif path == "/ws/slow":
        # Two more frames, one after the other, and the first in two pieces.
        writer.write(b"\x82\x64" + b"x" * 50)
        await asyncio.sleep(0.2)
        writer.write(b"x" * 30)
        await asyncio.sleep(0.01)
        writer.write(b"x" * 20 + b"\x81\x04late")
    await asyncio.sleep(60)


class _Calls(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # not generic at run time
    def service(self, details: Any) -> Any:
        if details.method.endswith("/Wait"):
            return grpc.unary_unary_rpc_method_handler(_wait)
        if details.method.endswith("/Watch"):
            return grpc.unary_stream_rpc_method_handler(_watch)
        return grpc.unary_unary_rpc_method_handler(_echo)


async def _wait(said: bytes, _context: Any) -> bytes:
    await asyncio.sleep(60)
    return said


async def _watch(said: bytes, _context: Any) -> AsyncIterator[bytes]:
    while True:
        yield said
        await asyncio.sleep(_PAUSE)


async def _echo(said: bytes, _context: Any) -> bytes:
    return said
