"""Every claim has its file, its goal in words, and its line in the table."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"
CLAIMS = sorted(path for path in BENCH.glob("*.py") if not path.name.startswith("_"))


def goals(path: Path) -> set[float]:
    """Every number that a module-level constant of the file holds."""
    values: set[float] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign):
            inside = ast.walk(node.value)
            values |= {
                float(one.value)
                for one in inside
                if isinstance(one, ast.Constant) and isinstance(one.value, int | float)
            }
    return values


def test_there_are_claims() -> None:
    assert len(CLAIMS) >= 8


@pytest.mark.parametrize("path", CLAIMS, ids=lambda path: path.stem)
def test_a_claim_says_its_goal_and_measures_it(path: Path) -> None:
    said = ast.get_docstring(ast.parse(path.read_text())) or ""
    numbers = {float(one.replace(",", "")) for one in re.findall(r"\d[\d,]*(?:\.\d+)?", said)}
    held = goals(path) | {0.5, 2.0}
    assert numbers & held or "twice" in said, f"{path.name} does not say its goal"
    assert "main(measure)" in path.read_text()


@pytest.mark.parametrize("path", CLAIMS, ids=lambda path: path.stem)
def test_the_table_names_every_claim(path: Path) -> None:
    rows = [row for row in (BENCH / "README.md").read_text().splitlines() if row.startswith("|")]
    mine = [row for row in rows if f"`{path.name}`" in row]
    assert mine, f"bench/README.md has no row for {path.name}"
    assert all("<=" in row or "= 0" in row for row in mine), "a row states its goal"
