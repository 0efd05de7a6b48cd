"""Exclusions written into the text of a document that stays as it is, comments and all.

A list of exclusions gets its new entries first, a block without one gets the list first: so nothing
that a person wrote moves but down. Fed by `proposals`; the caller reads the result again.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

_DASH: Final = re.compile(r"^(\s*)- ")


@dataclass(frozen=True, slots=True)
class Written:
    """An exclusion as a person would write it."""

    rule: int
    target: str
    paths: tuple[str, ...]
    because: str

    @property
    def flow(self) -> str:
        """In one line."""
        paths = ", ".join(map(_word, self.paths))
        where = f"{{paths: [{paths}], target: {_word(self.target)}}}"
        return f"{{rule: {self.rule}, where: {where}, because: {_word(self.because)}}}"

    def block(self, indent: int) -> list[str]:
        """As an entry of a list whose dashes stand behind `indent` blanks."""
        paths = ", ".join(map(_word, self.paths))
        first, *more = (
            f"rule: {self.rule}",
            f"where: {{paths: [{paths}], target: {_word(self.target)}}}",
            f"because: {_word(self.because)}",
        )
        return [f"{' ' * indent}- {first}", *(f"{' ' * (indent + 2)}{one}" for one in more)]


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a key of a document and its value begin, from 1."""

    line: int
    value_line: int
    value_column: int


class Unpatched(ValueError):
    """The text is written in a way that cannot be added to; says where."""


def add(text: str, block: Spot, listed: Spot | None, new: Sequence[Written]) -> str:
    """`text` with `new` under `exclude` of the block `waf` at `block`.

    `listed` is the key `exclude` where it is there. Raises `Unpatched`.
    """
    lines = text.split("\n")
    into = listed or block
    opened = lines[into.value_line - 1][into.value_column - 1 : into.value_column]
    if opened in {"{", "["}:
        if (opened == "[") != (listed is not None):
            raise Unpatched(f"line {into.value_line} is written in a way that cannot be added to")
        flow = ", ".join(one.flow for one in new)
        said = flow if listed else f"exclude: [{flow}]"
        return _after_bracket(lines, into, said)
    if into.value_line <= into.line:
        raise Unpatched(f"line {into.line} has no block below it")
    if listed is None:
        indent = into.value_column - 1
        added = [" " * indent + "exclude:"]
        added += [line for one in new for line in one.block(indent + 2)]
    else:
        dash = _DASH.match(lines[into.value_line - 1])
        if dash is None:
            raise Unpatched(f"line {into.value_line} has no list below `exclude`")
        added = [line for one in new for line in one.block(len(dash[1]))]
    return "\n".join([*lines[: into.line], *added, *lines[into.line :]])


def _after_bracket(lines: Sequence[str], into: Spot, said: str) -> str:
    line, at = lines[into.value_line - 1], into.value_column
    rest = "\n".join([line[at:], *lines[into.value_line :]])
    empty = rest.lstrip()[:1] in {"}", "]"}
    before = [*lines[: into.value_line - 1], line[:at] + said + ("" if empty else ", ")]
    return "\n".join(before) + rest


def difference(name: str, before: str, after: str) -> str:
    """A unified diff, as `git apply` and `patch -p1` take it."""
    made = difflib.unified_diff(
        before.splitlines(keepends=True),
        after.splitlines(keepends=True),
        f"a/{name}",
        f"b/{name}",
    )
    return "".join(
        one if one.endswith("\n") else f"{one}\n\\ No newline at end of file\n" for one in made
    )


def added_alone(before: object, after: object, path: Sequence[str | int], count: int) -> bool:
    """Whether the data `after` is `before` with `count` entries more at the start of `path`."""
    old, new = before, after
    for step in path:
        if not isinstance(new, dict) or not isinstance(old, dict | None):
            return False
        if old is not None and _without(old, step) != _without(new, step):
            return False
        old, new = (old or {}).get(step), new.get(step)
    if not isinstance(new, list) or not isinstance(old, list | None):
        return False
    return len(new) == len(old or ()) + count and new[count:] == (old or [])


def _without(data: Mapping[object, object], step: object) -> dict[object, object]:
    return {key: value for key, value in data.items() if key != step}


def _word(text: str) -> str:
    """Text in double quotes is the same in YAML and in JSON."""
    return json.dumps(text, ensure_ascii=False) if not re.fullmatch(r"/[\w./-]*", text) else text
