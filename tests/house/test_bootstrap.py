"""`tools/bootstrap` says in one line what a machine lacks, before anything is downloaded."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("sh", "awk", "sort", "head", "uname", "getconf", "dirname", "touch", "mkdir", "rm", "make")
MACHINES = {
    "another system": ("uname", 'test "$1" = -s && echo Darwin || echo x86_64', "Darwin"),
    "another processor": ("uname", 'test "$1" = -s && echo Linux || echo riscv64', "riscv64"),
    "no glibc": ("getconf", "exit 1", "musl"),
    "an old glibc": ("getconf", "echo glibc 2.28", "glibc is 2.28"),
    "no Python": ("nothing", "", "no python3 was found"),
    "an old Python": ("python3", 'test "$1" = --version && echo Python 3.9.2', "Python 3.9.2"),
    "no venv": (
        "python3",
        'case "$*" in *ensurepip*) exit 1 ;; *print*) echo 3.12 ;; esac',
        "sudo apt-get install python3.12-venv",
    ),
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout in a folder with a space, and a machine with few programs beside it."""
    folder = tmp_path / "a checkout"
    (folder / "tools").mkdir(parents=True)
    shutil.copy(ROOT / "tools/bootstrap", folder / "tools")
    for name in ("Makefile", "pyproject.toml", "uv.lock"):
        shutil.copy(ROOT / name, folder)
    machine = tmp_path / "bin"
    machine.mkdir()
    for tool in TOOLS:
        (machine / tool).symlink_to(shutil.which(tool) or "/bin/false")
    return folder


def run(checkout: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(checkout.parent / "bin"), "HOME": str(checkout.parent)}
    return subprocess.run(
        command, cwd="/", env=environment, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("machine", MACHINES)
def test_a_machine_that_does_not_fit_is_told_in_one_line(checkout: Path, machine: str) -> None:
    program, script, words = MACHINES[machine]
    fake = checkout.parent / "bin" / program
    fake.unlink(missing_ok=True)
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    said = run(checkout, str(checkout / "tools/bootstrap"))
    assert said.returncode == 1
    assert said.stderr.startswith("ostiary: ")
    assert said.stderr.count("\n") == 1
    assert words in said.stderr
    assert not (checkout / ".venv").exists()


def test_a_second_time_asks_nothing_and_a_moved_checkout_is_noticed(checkout: Path) -> None:
    for name in ("python", "ostiary"):
        program = checkout / ".venv/bin" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.symlink_to("/bin/true")
    stamp = checkout / ".venv/.ostiary-run"
    stamp.write_text(f"{os.path.realpath(checkout)}\n")
    assert run(checkout, str(checkout / "tools/bootstrap"), "run").returncode == 0
    stamp.write_text("/somewhere/else\n")
    said = run(checkout, str(checkout / "tools/bootstrap"), "run")
    assert said.returncode == 1
    assert "no python3 was found" in said.stderr


def test_make_demo_works_from_a_folder_with_a_space(checkout: Path) -> None:
    said = run(checkout, "make", "--no-print-directory", "-C", str(checkout), "demo")
    assert said.returncode == 2
    assert "no python3 was found" in said.stderr
