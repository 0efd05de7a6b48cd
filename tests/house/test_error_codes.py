"""Each error code of the source has a heading; each fault of a document has a golden page too.

`tests/golden/test_reference_pages.py` holds the page of the headings to the letter; here nothing
is made that has no heading, and no heading stands for what is never made.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ostiary.language.codes import CODES

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src/ostiary").rglob("*.py"))
LIST = ROOT / "src/ostiary/language/codes.py"
PAGE = (ROOT / "docs/reference/errors.md").read_text()
HEADINGS = set(re.findall(r"^### (\S+)$", PAGE, re.MULTILINE))
GOLDEN = ROOT / "tests/golden/errors"
LIKE_ONE = re.compile(rf"(?:{'|'.join({code.split('.')[0] for code in CODES})})\.[a-z][a-z-]+")
RAISED = {"Refused", "Unreachable", "Trouble", "Red"}


def constants() -> Iterator[tuple[Path, str]]:
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield source, node.value


def raised() -> Iterator[tuple[str, str]]:
    """Codes that are written where an error is made: place and code."""
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            first = node.args[0] if node.args else None
            code = getattr(first, "value", None)
            if node.func.id in RAISED and isinstance(code, str):
                yield f"{source.name}:{node.lineno}", code


def test_every_code_that_is_raised_has_a_heading() -> None:
    found = list(raised())
    assert len(found) > 40
    assert not [f"{place} {code}" for place, code in found if code not in HEADINGS]


@pytest.mark.parametrize("code", sorted(CODES))
def test_a_fault_of_documents_has_a_heading_and_a_golden_page_that_makes_it(code: str) -> None:
    assert code in HEADINGS
    assert f": {code}: " in (GOLDEN / f"{code}.md").read_text()


def test_no_source_makes_a_fault_that_is_not_listed() -> None:
    found = {text for source, text in constants() if source != LIST and LIKE_ONE.fullmatch(text)}
    assert len(found) > 40
    assert found <= set(CODES)


def test_no_golden_page_shows_a_code_that_is_gone() -> None:
    assert set(CODES) >= {page.stem for page in GOLDEN.glob("*.md")}
