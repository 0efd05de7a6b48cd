"""`docs/reference/` is what the language and the source say, to the letter."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from ostiary.language.reference import document_page, errors_page

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs/reference"
SOURCES = sorted((ROOT / "src/ostiary").rglob("*.py"))


def text_of(node: ast.expr) -> str:
    """The sentence of a call, with an ellipsis for what only a run knows."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part) for part in node.values)
    return "\N{HORIZONTAL ELLIPSIS}"


def refusals() -> Iterator[tuple[str, str]]:
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id not in {"Refused", "Unreachable"} or len(node.args) < 2:
                continue
            code, sentence, *hint = map(text_of, node.args)
            if code.isascii():
                yield code, f"{sentence}." + "".join(f"\n\nHint: {one}." for one in hint if one)


def pages() -> dict[str, str]:
    found: dict[str, str] = {}
    for code, sentence in sorted(refusals()):
        found.setdefault(code, sentence[0].upper() + sentence[1:])
    return {"document.md": document_page(), "errors.md": errors_page(found)}


@pytest.mark.parametrize("name", ["document.md", "errors.md"])
def test_the_reference_is_what_the_source_says(name: str, request: pytest.FixtureRequest) -> None:
    page = pages()[name]
    if request.config.getoption("--golden-update"):
        REFERENCE.mkdir(parents=True, exist_ok=True)
        (REFERENCE / name).write_text(page)
    assert (REFERENCE / name).read_text() == page, "run `make golden` and read the difference"


def test_every_refusal_of_the_source_is_found() -> None:
    assert len(dict(refusals())) > 40
