"""New contents as people save them: one save, one change.

A file renamed into a watched folder is seen within about 2 ms (the kernel tells, `watchfiles`
looks every millisecond). A file that is still being written is waited for. A file that is gone
is given a second to come back, for editors take it away and put it back.
"""

# Names of a burst of events, compared as texts.
# ruff: noqa: PTH112, PTH119

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from watchfiles._rust_notify import RustNotify

from ostiary.language.tree import Tree
from ostiary.sources.writers import wait_for_writers

if TYPE_CHECKING:
    from ostiary.sources.files import Files

_STEP: Final = 1
"""Milliseconds between two looks at what the kernel told; costs about 1 % of one core."""
_GROUP: Final = 20
"""Milliseconds in which the changes of one save are gathered at most."""
_TICK: Final = 1000
"""Milliseconds after which links and certificates, which no folder reports, are looked at."""
_GRACE: Final = 1.0
"""Seconds a file may be away."""
_SWEEP: Final = 60.0
"""Seconds after which everything is looked at, whatever the kernel told or lost."""


async def changes(files: Files) -> AsyncIterator[list[Tree]]:
    """The trees after every change of `files`, which were read before. Ends when cancelled."""
    watcher = _Watcher(files)
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1, thread_name_prefix="ostiary-files") as thread:
        try:
            while (trees := await loop.run_in_executor(thread, watcher.next)) is not None:
                yield trees
        finally:
            watcher.stop()


class _Watcher:
    """Waits in a thread for the next change."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._stop = threading.Event()
        self._notify: RustNotify | None = None
        self._folders: frozenset[str] = frozenset()
        self._gone: dict[str, float] = {}
        """Files that are away, with the moment they are given up."""
        self._swept = time.monotonic()

    def stop(self) -> None:
        """Let `next` return None at once."""
        self._stop.set()

    def next(self) -> list[Tree] | None:
        """Block until the contents changed, and return them; None after `stop`."""
        while not self._stop.is_set():
            if self._follow() or self._look():
                return self._files.trees()
        return None

    def _follow(self) -> bool:
        """Watch the folders there are now; whether anything changed while they were not."""
        if self._notify is not None and self._folders == self._files.folders:
            return False
        self._folders = self._files.folders
        present = [folder for folder in sorted(self._folders) if os.path.isdir(folder)]
        if self._notify is not None:
            self._notify.close()
        with contextlib.suppress(FileNotFoundError):
            self._notify = RustNotify(present, False, False, 0, False, True)
        return self._sweep()

    def _look(self) -> bool:
        """Wait for one group of changes or a tick; whether the contents changed."""
        touched = self._touched()
        if touched is None or time.monotonic() - self._swept > _SWEEP:
            return self._sweep()
        here = {path for path in touched if self._files.exists(path)}
        given_up = self._give_up(here, touched - here)
        wait_for_writers(here, self._stop)
        return self._files.look_at(sorted(here | given_up))

    def _give_up(self, here: Iterable[str], away: Iterable[str]) -> set[str]:
        """Those that have been away too long, now that `here` are here and `away` are not."""
        now = time.monotonic()
        for path in here:
            self._gone.pop(path, None)
        for path in away:
            self._gone.setdefault(path, now + _GRACE)
        given_up = {path for path, until in self._gone.items() if until <= now}
        for path in given_up:
            del self._gone[path]
        return given_up

    def _touched(self) -> set[str] | None:
        """Our files that the kernel named, or those to look at now and then; None: look at all."""
        if self._notify is None:
            self._stop.wait(_TICK / 1000)
            return None
        seen = self._notify.watch(_GROUP, _STEP, self._timeout(), self._stop)
        if isinstance(seen, str):
            return {path for path in self._files.polled() if path not in self._gone}
        paths = {path for _, path in seen}
        if any(_changes_the_list(path, self._folders) for path in paths):
            return None
        return {path for path in paths if self._files.is_ours(path)}

    def _timeout(self) -> int:
        """Milliseconds until the next thing to do without being told."""
        if not self._gone:
            return _TICK
        return max(1, min(_TICK, int((min(self._gone.values()) - time.monotonic()) * 1000) + 1))

    def _sweep(self) -> bool:
        """Look at everything; whether the contents changed."""
        self._swept = time.monotonic()
        changed, away = self._files.stale()
        self._give_up([path for path in self._gone if self._files.exists(path)], away)
        wait_for_writers(changed, self._stop)
        return self._files.look(away=self._gone)


def _changes_the_list(path: str, folders: frozenset[str]) -> bool:
    """Whether a folder came or went, or a link that stands for many files (`..data`) moved."""
    return path in folders or os.path.basename(path).startswith("..") or os.path.isdir(path)
