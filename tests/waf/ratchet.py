"""The numbers that were reached once, in `reached.yaml`: they may only get better.

A test compares what it finds with what is written there, and fails where it is worse. Whoever
makes something better writes the new number down in the same commit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest
import yaml
from corpora import Missing

Thing = TypeVar("Thing")
FILE: Final = Path(__file__).parent / "reached.yaml"


@cache
def reached() -> Mapping[str, Any]:
    """The whole file."""
    tree: Mapping[str, Any] = yaml.safe_load(FILE.read_text())
    return tree


def hold_pairs(name: str, found: Mapping[str, tuple[int, int]], *, more: bool) -> None:
    """Of as many as `reached.yaml` says under `name`, at least as many (or as few) were blocked."""
    written = {key: tuple(pair) for key, pair in reached()[name].items()}
    assert found.keys() == written.keys()
    for key, (blocked, of) in found.items():
        was, was_of = written[key]
        assert of == was_of, f"{name}: {key} has {of} requests and had {was_of}"
        worse = blocked < was if more else blocked > was
        assert not worse, f"{name}: of {of} {key} {blocked} were blocked; {was} were once"


def hold_failing(name: str, total: int, failing: Mapping[str, str]) -> None:
    """Of `total` tests only those with a reason in `reached.yaml` fail, if any."""
    listed = reached()[name]
    assert total == listed["of"], f"{name}: there are {total} tests and there were {listed['of']}"
    assert listed["passed"] == total - len(listed["failing"]), f"{name}: the numbers do not add up"
    new = {key: why for key, why in failing.items() if key not in listed["failing"]}
    assert not new, f"{name}: these passed once: {new}"


def had(get: Callable[[], Thing]) -> Thing:
    """What `get` gives, or the test is skipped and says what is missing."""
    try:
        return get()
    except Missing as missing:
        pytest.skip(str(missing))
