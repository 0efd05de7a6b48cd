"""The import contracts hold, and the checker that holds them can fail."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    return subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(folder / "src"), "PATH": "/usr/bin:/bin"},
    )


def test_the_rooms_keep_their_contracts() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout


def test_a_clock_in_the_compiler_is_caught(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "src", tmp_path / "src")
    shutil.copy(ROOT / ".importlinter", tmp_path)
    (tmp_path / "src/ostiary/compiler/planted.py").write_text("import time\n")
    (tmp_path / "src/ostiary/policy/planted.py").write_text("import ostiary.plan\n")
    done = lint(tmp_path)
    assert done.returncode == 1
    assert "ostiary.compiler.planted -> time" in done.stdout
    assert "ostiary.policy.planted -> ostiary.plan" in done.stdout
