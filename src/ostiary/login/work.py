"""Threads for the store: it answers synchronously and must not hold up the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

T = TypeVar("T")
_THREADS: Final = 4


class Work:
    """A few threads that ask the store."""

    def __init__(self, threads: int = _THREADS) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="store")

    async def run(self, task: Callable[[], T]) -> T:
        """What `task` returns; it runs in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, task)

    def close(self) -> None:
        """No thread is left."""
        self._pool.shutdown(wait=True, cancel_futures=True)
