"""Whether somebody is still writing a file. A half-written rule must never be applied.

On Linux the kernel knows: a read lease is granted only while nobody has the file open for
writing (fcntl(2), F_SETLEASE). Where it cannot say, a file is taken as written once it has been
quiet for a while.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import time
from collections.abc import Iterable
from threading import Event
from typing import Final

_PAUSE: Final = 0.002
_QUIET: Final = 0.02
"""Seconds without a write after which a file counts as written, where leases are not known."""
_PATIENCE: Final = 1.0
"""Seconds after which a file is read as it is; its next write is a change of its own."""


def wait_for_writers(paths: Iterable[str], stop: Event) -> None:
    """Return once nobody writes any of `paths`, after `_PATIENCE`, or when `stop` is set."""
    until = time.monotonic() + _PATIENCE
    for path in paths:
        while is_being_written(path) and time.monotonic() < until:
            if stop.wait(_PAUSE):
                return


def is_being_written(path: str) -> bool:
    """Whether `path` is open for writing, was written just now, or is still empty."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        if os.fstat(file).st_size == 0:
            return _was_written_just_now(file)
        return _has_writer(file)
    finally:
        os.close(file)


def _has_writer(file: int) -> bool:
    try:
        # A writer that comes while we hold the lease makes the kernel send a signal; SIGURG is
        # one that does nothing.
        fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except AttributeError:
        return _was_written_just_now(file)
    except OSError as error:
        return True if error.errno == errno.EAGAIN else _was_written_just_now(file)
    return False


def _was_written_just_now(file: int) -> bool:
    return 0 <= time.time() - os.fstat(file).st_mtime < _QUIET
