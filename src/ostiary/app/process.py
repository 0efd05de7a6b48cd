"""The frame of every process of ours: one event loop, and a quiet end on SIGTERM."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog
import uvloop

from ostiary.errors import OstiaryError

Main = Callable[[], Coroutine[Any, Any, None]]
Hear = Callable[[OstiaryError], Awaitable[None]]


def collect_seldom() -> None:
    """Garbage in cycles is looked for seldom: routes and messages are many, live long, have none.

    With the usual thresholds the search takes a fifth of the time that 1,000 routes need.
    """
    gc.set_threshold(50_000, 20, 20)


async def _nobody(_error: OstiaryError) -> None:
    pass


def run_until_told(main: Main, hear: Hear = _nobody) -> None:
    """Run `main()` until it ends or a SIGTERM (or SIGINT) cancels it.

    A fault in words is told to `hear`, goes to the log as one sentence and ends the process with
    status 1.
    """
    collect_seldom()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
    try:
        uvloop.run(_main(main, hear))
    except OstiaryError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from error


async def _main(main: Main, hear: Hear) -> None:
    loop = asyncio.get_running_loop()
    work = asyncio.create_task(main())
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, work.cancel)
    try:
        await work
    except asyncio.CancelledError:
        return
    except OstiaryError as error:
        await hear(error)
        raise
    except BaseExceptionGroup as group:
        ours = group.subgroup(OstiaryError)
        if ours is None:
            raise
        await hear(_first(ours))
        raise _first(ours) from group


def _first(group: BaseExceptionGroup[OstiaryError]) -> OstiaryError:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner
