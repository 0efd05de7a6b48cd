"""The guard: a module that Envoy loads, and the same engines for Python.

`module_path()` is what a proxy's agent gives to Envoy; the rest decides in Python as the module
decides in Envoy, for tests, explanations and replays.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ostiary_guard._native import (
    Bearer,
    Replica,
    Standing,
    Table,
    Token,
    __version__,
    clean_cookies,
    find_cookie,
    frame,
    read_frames,
    sets_ours,
    verdict,
    verify_bearer,
    verify_token,
)

__all__ = [
    "ENVOY",
    "Bearer",
    "Replica",
    "Standing",
    "Table",
    "Token",
    "__version__",
    "clean_cookies",
    "find_cookie",
    "frame",
    "module_path",
    "read_frames",
    "sets_ours",
    "verdict",
    "verify_bearer",
    "verify_token",
]

ENVOY: Final = "1.40.0"
"""The only Envoy the module may be loaded into: its interface belongs to one version."""


def module_path() -> Path:
    """The file that Envoy loads. Its folder is Envoy's search path, `ostiary_guard` its name."""
    return Path(__file__).with_name("libostiary_guard.so")
