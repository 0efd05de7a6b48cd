"""The knock of `login` at the control plane: a receipt, or the word that nobody is there."""

from __future__ import annotations

import asyncio
import stat
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ostiary.errors import Refused, Unreachable
from ostiary.verdicts.poke import answer_pokes, poke
from ostiary.verdicts.ports import Receipt

EDGE = "spiffe://test.ostiary/default/default/gateway/main"


@asynccontextmanager
async def serving(path: Path, problem: Exception | None = None) -> AsyncIterator[list[int]]:
    asked: list[int] = []

    async def ask(seq: int) -> Receipt:
        await asyncio.sleep(0)
        asked.append(seq)
        if problem is not None:
            raise problem
        return Receipt(seq, (EDGE,), ("other",), 0.25)

    task = asyncio.create_task(answer_pokes(path, ask))
    async with asyncio.timeout(5):
        while not path.exists():  # noqa: ASYNC110, ASYNC240  the server makes it
            await asyncio.sleep(0.005)
    yield asked
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_whoever_knocks_gets_the_receipt(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.sock"
    async with serving(path) as asked:
        assert await poke(path, 7) == Receipt(7, (EDGE,), ("other",), 0.25)
        assert asked == [7]
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        found = await asyncio.gather(*(poke(path, number) for number in range(50)))
        assert [one.seq for one in found] == list(range(50))
    assert not path.exists()


async def test_without_a_control_plane_one_learns_so_at_once(tmp_path: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(Unreachable) as away:
        await poke(tmp_path / "verdicts.sock", 1)
    assert time.monotonic() - begun < 0.5
    assert away.value.code == "control-plane-away"
    assert "stored" in away.value.hint


async def test_a_store_that_is_away_is_said_to_who_knocks(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.sock"
    async with serving(path, Unreachable("store-unreachable", "the store is away")):
        with pytest.raises(Unreachable, match="the store is away"):
            await poke(path, 1)


async def test_a_socket_of_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.sock"
    left = await asyncio.start_unix_server(lambda _r, _w: None, path)
    left.close()
    await left.wait_closed()
    if not path.exists():  # Python 3.13 cleans up after itself
        return
    async with serving(path) as asked:
        deadline = time.monotonic() + 2
        while not asked and time.monotonic() < deadline:
            try:
                await poke(path, 1)
            except Unreachable:
                await asyncio.sleep(0.01)
        assert asked == [1]


async def test_what_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.sock"
    path.write_text("mine")
    with pytest.raises(Refused) as refused:
        await answer_pokes(path, lambda _seq: asyncio.sleep(0, Receipt(0, (), (), 0.0)))
    assert refused.value.code == "socket-taken"
    assert path.read_text() == "mine"


async def test_a_folder_with_a_long_name_is_no_hindrance(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    async with serving(folder / "verdicts.sock"):
        assert (await poke(folder / "verdicts.sock", 3)).seq == 3


@pytest.mark.parametrize("words", [b"", b"{}\n", b"[]\n", b'{"seq": "x"}\n', b"\xff\n", b"x" * 99])
async def test_garbage_gets_no_answer_and_does_no_harm(tmp_path: Path, words: bytes) -> None:
    path = tmp_path / "verdicts.sock"
    async with serving(path) as asked:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(words)
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
        assert asked == []
        assert (await poke(path, 2)).seq == 2
