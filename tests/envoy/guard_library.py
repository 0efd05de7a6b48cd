"""Where the guard's shared library is, for tests that load it into a real Envoy.

Of the wheel, or of the folder in `OSTIARY_GUARD_FOLDER` while the guard itself is being built.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

SEARCH_PATH = "ENVOY_DYNAMIC_MODULES_SEARCH_PATH"


def folder() -> Path | None:
    """The folder of `libostiary_guard.so`; None where there is no guard."""
    named = os.environ.get("OSTIARY_GUARD_FOLDER")
    if named:
        return Path(named)
    if importlib.util.find_spec("ostiary_guard") is None:
        return None
    module = importlib.import_module("ostiary_guard")
    return Path(module.module_path()).parent


def needed(role: str = "", library: Path | None = None) -> None:
    """Every Envoy that starts from here finds the guard, or the test is skipped and says so.

    `role` is one that not every guard has; `library` is the folder of another build.
    """
    found = library or folder()
    if found is None:
        pytest.skip("the wheel ostiary-guard is not installed: `make guard` builds it")
    if role and role.encode() not in (found / "libostiary_guard.so").read_bytes():
        pytest.skip(f"the guard here does not know the role {role}: `make guard-install` builds it")
    os.environ[SEARCH_PATH] = str(found)
