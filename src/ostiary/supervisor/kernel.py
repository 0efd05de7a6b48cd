"""Two things that only the kernel can do for a child, through `prctl(2)`."""

from __future__ import annotations

import ctypes
import os
import signal
from typing import Final

_SET_PARENT_DEATH_SIGNAL: Final = 1
_SET_NAME: Final = 15
_LONGEST_NAME: Final = 15
_libc: Final = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent: int) -> None:
    """This process gets SIGTERM when `parent` dies, even if it has died already."""
    _libc.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)


def name_process(name: str) -> None:
    """`ps` shows `ost-<name>` (the kernel keeps 15 bytes)."""
    _libc.prctl(_SET_NAME, f"ost-{name}".encode()[:_LONGEST_NAME], 0, 0, 0)
