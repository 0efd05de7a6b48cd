"""Sizes, names and docstrings: what keeps every room readable."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path
    for folder in ("src", "tests", "bench", "tools")
    for path in (ROOT / folder).rglob("*.py")
    if "__pycache__" not in path.parts
)
PRODUCT = [path for path in SOURCES if path.is_relative_to(ROOT / "src")]
LONGEST_FILE = 400
LONGEST_FUNCTION = 50
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_there_is_something_to_measure() -> None:
    assert len(PRODUCT) > 40


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_files_and_functions_are_short(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= LONGEST_FILE, f"{name(path)} asks to be two files"
    for function in functions(ast.parse(text)):
        lines = (function.end_lineno or 0) - function.lineno + 1
        assert lines <= LONGEST_FUNCTION, f"{name(path)}:{function.lineno} {function.name}: {lines}"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_names_say_what_a_thing_is(path: Path) -> None:
    words = set(re.split(r"[_/.]", name(path).removesuffix(".py")))
    assert not words & BANNED_NAMES, f"{name(path)} does not say what it is"


@pytest.mark.parametrize("path", PRODUCT, ids=name)
def test_public_things_say_what_holds(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), f"{name(path)} does not say what it is for"
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if node.name.startswith("_"):
                continue
            assert ast.get_docstring(node), f"{name(path)}:{node.lineno} {node.name}"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_nothing_is_left_for_later_without_an_owner(path: Path) -> None:
    if path == Path(__file__):
        return
    for number, line in enumerate(path.read_text().splitlines(), 1):
        assert not re.search(r"\b(TODO|FIXME|XXX|HACK)\b", line), f"{name(path)}:{number}"


def test_only_the_command_line_reads_the_environment() -> None:
    for path in PRODUCT:
        if path.is_relative_to(ROOT / "src/ostiary/cli"):
            continue
        text = path.read_text()
        assert not re.search(r"\bos\.(environ|getenv|putenv)\b", text), name(path)


def test_no_module_of_ours_hides_envoys_packages() -> None:
    top = {path.name for path in (ROOT / "src").iterdir()}
    assert top == {"ostiary"}
    for hidden in ("envoy", "xds", "udpa", "validate", "cel"):
        assert not (ROOT / "src" / hidden).exists()
