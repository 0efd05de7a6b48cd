"""The build backend of the wheel: maturin, after cargo has built the module for Envoy.

The module is a file of its own beside the extension, because Envoy loads it and Python does not.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import maturin
from maturin import prepare_metadata_for_build_editable, prepare_metadata_for_build_wheel

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

HERE = Path(__file__).resolve().parents[1]
CRATE = "ostiary-guard-module"
MODULE = "libostiary_guard.so"
Options = Mapping[str, Any] | None


def build_wheel(folder: str, options: Options = None, metadata: str | None = None) -> str:
    """The wheel's file name in `folder`; the module of the present sources is in it."""
    _place_module()
    return str(maturin.build_wheel(folder, options, metadata))


def build_editable(folder: str, options: Options = None, metadata: str | None = None) -> str:
    """The same for an installation that reads the Python files where they stand."""
    _place_module()
    return str(maturin.build_editable(folder, options, metadata))


def build_sdist(folder: str, options: Options = None) -> str:
    """Refused: the crates stand beside this folder, so a wheel is built from the repository."""
    raise RuntimeError("ostiary-guard is built from Ostiary's repository: build a wheel")


def get_requires_for_build_wheel(options: Options = None) -> list[str]:
    """Nothing more from the index; raises where the machine has no Rust."""
    if shutil.which("cargo") is None:
        raise RuntimeError("ostiary-guard needs cargo (Rust 1.88 or newer) to be built")
    return []


get_requires_for_build_editable = get_requires_for_build_wheel


def _place_module() -> None:
    """The module stands in the package; whoever has the old file open keeps it whole."""
    command = ["cargo", "build", "--release", "--locked", "--package", CRATE]
    command += ["--message-format", "json-render-diagnostics"]
    said = subprocess.run(command, cwd=HERE.parent, stdout=subprocess.PIPE, check=True)
    built = _artifact(said.stdout.decode())
    target = HERE / "python/ostiary_guard" / MODULE
    fresh = target.with_name(f"{MODULE}.{os.getpid()}")
    shutil.copyfile(built, fresh)
    fresh.replace(target)


def _artifact(messages: str) -> Path:
    """The file that cargo says it made."""
    for line in messages.splitlines():
        message = json.loads(line)
        for name in message.get("filenames", ()):
            if Path(name).name == MODULE:
                return Path(name)
    raise RuntimeError(f"cargo built no {MODULE}")
