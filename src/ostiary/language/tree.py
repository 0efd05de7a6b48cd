"""A positioned tree: plain data, and where each part of it was written.

Made by `sources` (files today); read by `read`. A tree is compared by identity, for an unchanged
file keeps its tree and everything that was derived from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from ostiary.errors import ConfigError, Place

Step: TypeAlias = str | int
"""A key of a mapping or an index of a list."""
Path: TypeAlias = tuple[Step, ...]


class Spot(NamedTuple):
    """Where one entry stands: its key (or list item), its value, and the spots below it."""

    line: int
    column: int
    value_line: int
    value_column: int
    below: Mapping[Step, Spot]


NO_SPOTS: Mapping[Step, Spot] = {}
START = Spot(1, 1, 1, 1, NO_SPOTS)
"""The spot of a tree about which nothing better is known."""


@dataclass(frozen=True, slots=True)
class RuleText:
    """Rules in SecLang that a document names, as its source read them."""

    sources: tuple[tuple[str, str], ...]
    """File name and text, in the order in which they count."""
    data: tuple[tuple[str, str], ...] = ()
    """Name as rules write it, and text, of each file of phrases."""


NO_RULES: Mapping[str, RuleText] = {}


@dataclass(frozen=True, eq=False)
class Tree:
    """One document. `data` holds only dict, list, str, int, float, bool and None."""

    file: str
    data: object
    spot: Spot = START
    faults: tuple[tuple[Path, ConfigError], ...] = ()
    """What its source found wrong, and where: a broken certificate file that it names, or at ()
    that the file cannot be read at all."""
    text: str = ""
    """Of a file that cannot be read, what could be: a first start closes every host in it."""
    rules: Mapping[str, RuleText] = field(default_factory=lambda: NO_RULES)
    """What each of the words under `waf.rules` stands for, `core` left out."""

    def place(self, path: Path = ()) -> Place:
        """Where the key at `path` stands, or the nearest part above it that was written."""
        spot = self._find(path)
        return Place(self.file, spot.line, spot.column)

    def value_place(self, path: Path = ()) -> Place:
        """Where the value at `path` begins, or the nearest part above it that was written."""
        spot = self._find(path)
        return Place(self.file, spot.value_line, spot.value_column)

    def _find(self, path: Path) -> Spot:
        spot = self.spot
        for step in path:
            below = spot.below.get(step)
            if below is None:
                break
            spot = below
        return spot


def unreadable(file: str, faults: Iterable[ConfigError], text: str = "") -> Tree:
    """The tree of a file that gave none, and why."""
    return Tree(file, {}, faults=tuple(((), fault) for fault in faults), text=text)


def value_at(data: object, path: Path) -> object:
    """The data at `path`, or None when there is nothing there."""
    for step in path:
        if isinstance(data, dict):
            data = data.get(step)
        elif isinstance(data, list) and isinstance(step, int) and 0 <= step < len(data):
            data = data[step]
        else:
            return None
    return data
