"""Spliced connections: every byte, in order, at the pace of the slower end."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvloop

from ostiary.proxy.splice import End

PATIENCE = 5


@asynccontextmanager
async def spliced(port: int) -> AsyncIterator[tuple[int, list[End]]]:
    """A port whose connections are spliced to `port`."""
    loop = asyncio.get_running_loop()
    ends: list[End] = []
    tasks: set[asyncio.Task[None]] = set()

    async def join(end: End) -> None:
        end.join((await loop.create_connection(End, "127.0.0.1", port))[1])

    def accept() -> End:
        ends.append(End())
        tasks.add(loop.create_task(join(ends[-1])))
        return ends[-1]

    server = await loop.create_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], ends
    finally:
        server.close()
        for end in ends:
            end.abort()
        await asyncio.gather(*tasks)


@asynccontextmanager
async def backend(
    answer: "asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]]",
) -> AsyncIterator[int]:
    server = await asyncio.start_server(lambda r, w: answer.set_result((r, w)), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        (await answer)[1].close()


async def test_bytes_pass_both_ways_and_both_ends_close() -> None:
    answer = asyncio.get_running_loop().create_future()
    async with (
        backend(answer) as behind,
        spliced(behind) as (port, ends),
        asyncio.timeout(PATIENCE),
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"early")
        far_reader, far_writer = await answer
        assert await far_reader.readexactly(5) == b"early"
        far_writer.write(b"late")
        assert await reader.readexactly(4) == b"late"
        far_writer.write(b"last words")
        far_writer.close()
        assert await reader.read() == b"last words"
        await ends[0].closed
        writer.close()


async def test_a_slow_reader_slows_the_writer_and_loses_nothing() -> None:
    answer = asyncio.get_running_loop().create_future()
    sent = os.urandom(32 << 20)
    async with backend(answer) as behind, spliced(behind) as (port, ends), asyncio.timeout(30):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        far_reader, _ = await answer
        writer.write(sent)
        await asyncio.sleep(0.3)
        transport = writer.transport
        assert transport.get_write_buffer_size() > 16 << 20  # it waits here, not in the agent
        assert await far_reader.readexactly(len(sent)) == sent
        writer.close()
        assert ends


async def test_an_end_that_closed_before_the_join_closes_the_other() -> None:
    answer = asyncio.get_running_loop().create_future()
    loop = asyncio.get_running_loop()
    async with backend(answer) as behind, asyncio.timeout(PATIENCE):
        _, first = await loop.create_connection(End, "127.0.0.1", behind)
        first.abort()
        await first.closed
        far_reader, _ = await answer
        second_answer = loop.create_future()
        async with backend(second_answer) as other:
            _, second = await loop.create_connection(End, "127.0.0.1", other)
            await second_answer
            first.join(second)
            await second.closed
        assert await far_reader.read() == b""


def test_bytes_that_come_before_the_join_are_kept_on_the_loop_we_run_on() -> None:
    # uvloop reads although reading was paused in `connection_made`.
    assert uvloop.run(_said_before_the_join(b"hello")) == b"hello"


async def _said_before_the_join(words: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    answer = loop.create_future()
    ends: list[End] = []
    async with backend(answer) as behind, asyncio.timeout(PATIENCE):
        server = await loop.create_server(lambda: End(ends.append), "127.0.0.1", 0)
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(words)
        await asyncio.sleep(0.1)
        ends[0].join((await loop.create_connection(End, "127.0.0.1", behind))[1])
        reader, _ = await answer
        heard = await reader.readexactly(len(words))
        writer.close()
        server.close()
        ends[0].abort()
        await asyncio.sleep(0.05)
    return bytes(heard)
