"""How the whole house is loaded at once: the commands that run it pay a second for imports."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def without_collection() -> Iterator[None]:
    """No garbage is looked for meanwhile: what is imported stays, and the search takes a tenth."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
