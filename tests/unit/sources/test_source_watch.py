"""A save is seen at once and once; a file on its way out or half written is waited for."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ostiary.language.tree import Tree
from ostiary.sources.files import Files
from ostiary.sources.writers import is_being_written

ROUTE = "routes: {%s: {host: %s.example, to: s}}\n"


class Watched:
    """A folder under watch; `next` waits for the change that is due."""

    def __init__(self, folder: Path, changes: AsyncIterator[list[Tree]]) -> None:
        self.folder = folder
        self._changes = changes
        self._due = asyncio.ensure_future(anext(changes))

    async def next(self, within: float = 5.0) -> list[str]:
        """The names of the files there are after the next change."""
        trees = await asyncio.wait_for(self._due, within)
        self._due = asyncio.ensure_future(anext(self._changes))
        return [Path(tree.file).name for tree in trees if not tree.faults]

    async def is_quiet(self, seconds: float) -> bool:
        """Whether nothing more is told for a while."""
        await asyncio.wait({self._due}, timeout=seconds)
        return not self._due.done()

    async def close(self) -> None:
        self._due.cancel()
        await asyncio.wait({self._due})
        await self._changes.aclose()  # type: ignore[attr-defined]


@asynccontextmanager
async def watching(folder: Path, *paths: Path) -> AsyncIterator[Watched]:
    files = Files(paths or [folder])
    files.read()
    watched = Watched(folder, files.changes())
    await asyncio.sleep(0.1)
    try:
        yield watched
    finally:
        await watched.close()


def saved(folder: Path, name: str) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(ROUTE % (name, name))
    return path


async def test_a_file_renamed_into_a_folder_is_seen_at_once(tmp_path: Path) -> None:
    conf, aside = tmp_path / "conf", tmp_path / "aside"
    conf.mkdir()
    aside.mkdir()
    saved(conf, "a")
    async with watching(conf) as watched:
        took: list[float] = []
        for number in range(9):
            file = saved(aside, f"n{number}")
            begun = time.perf_counter()
            file.rename(conf / file.name)
            names = await watched.next()
            took.append(time.perf_counter() - begun)
            assert file.name in names
        assert sorted(took)[4] < 0.02
        assert await watched.is_quiet(0.1)


async def test_one_save_in_place_is_one_change(tmp_path: Path) -> None:
    saved(tmp_path, "a")
    async with watching(tmp_path) as watched:
        (tmp_path / "a.yaml").write_text("routes: {b: {host: b.example, to: s}}\n")
        await watched.next()
        assert await watched.is_quiet(0.3)


async def test_a_half_written_file_is_not_read(tmp_path: Path) -> None:
    saved(tmp_path, "a")

    def write_slowly() -> None:
        with (tmp_path / "b.yaml").open("w") as file:
            file.write("routes: {b: {host: b.example,")
            file.flush()
            time.sleep(0.2)
            file.write(" to: s}}\n")

    async with watching(tmp_path) as watched:
        await asyncio.to_thread(write_slowly)
        assert await watched.next() == ["a.yaml", "b.yaml"]
        assert await watched.is_quiet(0.2)


async def test_a_removed_file_is_gone_after_a_second(tmp_path: Path) -> None:
    saved(tmp_path, "a")
    gone = saved(tmp_path, "b")
    async with watching(tmp_path) as watched:
        gone.unlink()
        assert await watched.is_quiet(0.7)
        assert await watched.next() == ["a.yaml"]


async def test_a_file_that_comes_back_in_time_was_never_away(tmp_path: Path) -> None:
    file = saved(tmp_path, "a")
    async with watching(tmp_path) as watched:
        backup = file.rename(tmp_path / "a.yaml~")
        await asyncio.sleep(0.2)
        backup.rename(file)
        assert await watched.is_quiet(1.2)


async def test_a_named_file_that_vanishes_is_told(tmp_path: Path) -> None:
    file = saved(tmp_path, "a")
    async with watching(tmp_path, file) as watched:
        file.unlink()
        assert await watched.next() == []
        saved(tmp_path, "a")
        assert await watched.next() == ["a.yaml"]


async def test_neighbours_of_a_named_file_are_none_of_ours(tmp_path: Path) -> None:
    file = saved(tmp_path, "a")
    async with watching(tmp_path, file) as watched:
        saved(tmp_path, "b")
        assert await watched.is_quiet(0.2)


async def test_a_new_folder_is_watched_too(tmp_path: Path) -> None:
    saved(tmp_path, "a")
    async with watching(tmp_path) as watched:
        (tmp_path / "sub").mkdir()
        await asyncio.sleep(0.05)
        saved(tmp_path / "sub", "b")
        assert await watched.next() == ["a.yaml", "b.yaml"]


async def test_a_save_between_reading_and_watching_is_not_lost(tmp_path: Path) -> None:
    files = Files([tmp_path])
    saved(tmp_path, "a")
    files.read()
    saved(tmp_path, "b")
    watched = Watched(tmp_path, files.changes())
    assert await watched.next() == ["a.yaml", "b.yaml"]
    await watched.close()


async def test_the_target_of_a_link_is_looked_at(tmp_path: Path) -> None:
    target = saved(tmp_path, "target")
    conf = tmp_path / "conf"
    conf.mkdir()
    (conf / "a.yaml").symlink_to(target)
    async with watching(conf) as watched:
        target.write_text("routes: {z: {host: z.example, to: s}}\n")
        assert await watched.next() == ["a.yaml"]


@pytest.mark.parametrize("size", [0, 10])
def test_a_file_that_is_open_for_writing_is_being_written(tmp_path: Path, size: int) -> None:
    with (tmp_path / "a").open("w") as file:
        file.write("x" * size)
        file.flush()
        assert is_being_written(str(tmp_path / "a"))
    if size:
        assert not is_being_written(str(tmp_path / "a"))


def test_a_writer_that_comes_while_we_ask_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("x")
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            is_being_written(str(path))

    asking = threading.Thread(target=ask)
    asking.start()
    for _ in range(300):
        path.write_text("y")
    stop.set()
    asking.join()
