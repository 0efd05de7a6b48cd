"""Rule files that a document names under `waf`: read, and put beside the tree that names them.

Fed by `files`; what cannot be read becomes a fault at the line that names it. What the rules say is
judged by `plan`, once the levels are joined.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from ostiary.errors import ConfigError
from ostiary.features.waf import CORE, CRS
from ostiary.language import tree as positions
from ostiary.language.tree import RuleText, Tree, value_at
from ostiary.sources.rule_files import UnreadRules, crs_places, read_rules

_BESIDE: Final = "#rules"
"""Behind the name of a document: the name under which its rules are kept."""


@dataclass
class Named:
    """A tree with the rules it names, and every path that they depend on."""

    tree: Tree
    files: list[str] = field(default_factory=list)


def name_rules(tree: Tree, folder: Path, places: Sequence[Path] | None = None) -> Named:
    """`tree` with absolute paths under `waf`, relative to `folder`; its rules are read."""
    named = Named(tree)
    found = list(_blocks(tree.data))
    if not found:
        return named
    faults: list[tuple[positions.Path, ConfigError]] = []
    rules: dict[str, RuleText] = {}
    data = tree.data
    for path, block in found:
        data = _with(data, path, _absolute(block, folder))
        for step, word in _words(block):
            if word == CORE:
                continue
            try:
                read = read_rules(word, folder, places)
            except UnreadRules as error:
                place = tree.value_place((*path, "rules", *step))
                named.files += _awaited(word, folder, places)
                fault = ConfigError(error.code, error.sentence, place, error.hint)
                faults.append((path, fault))
            else:
                rules[_meant(word, folder)] = read.text
                named.files += read.paths
    named.tree = replace(tree, data=data, rules=rules, faults=(*tree.faults, *faults))
    return named


def _awaited(word: str, folder: Path, places: Sequence[Path] | None) -> list[str]:
    """Where rules that could not be read may come to be."""
    if word != CRS:
        return [str(folder / word)]
    return [str(place / "rules") for place in (crs_places() if places is None else places)]


def _blocks(data: object) -> Iterator[tuple[positions.Path, dict[str, Any]]]:
    """Every `waf` block with its place."""
    nouns: list[positions.Path] = [("gateway",)]
    for section in ("gateways", "services", "routes"):
        below = value_at(data, (section,))
        nouns += [(section, name) for name in below] if isinstance(below, dict) else []
    for noun in nouns:
        block = value_at(data, (*noun, "waf"))
        if isinstance(block, dict):
            yield (*noun, "waf"), block


def _words(block: Mapping[str, Any]) -> Iterator[tuple[tuple[int, ...], str]]:
    """The words under `rules`; what is none is told in better words when the document is read."""
    rules = block.get("rules")
    if isinstance(rules, str):
        yield (), rules
    for at, word in enumerate(rules if isinstance(rules, list) else ()):
        if isinstance(word, str):
            yield (at,), word


def _absolute(block: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    whole = dict(block)
    rules, log = block.get("rules"), block.get("log")
    if isinstance(rules, str):
        whole["rules"] = _meant(rules, folder)
    elif isinstance(rules, list):
        whole["rules"] = [_meant(one, folder) if isinstance(one, str) else one for one in rules]
    if isinstance(log, str) and log:
        whole["log"] = str(folder / log)
    elif isinstance(log, dict) and isinstance(log.get("file"), str) and log["file"]:
        whole["log"] = {**log, "file": str(folder / log["file"])}
    return whole


def _meant(word: str, folder: Path) -> str:
    return word if word in {CORE, CRS, ""} else str(folder / word)


def _with(data: object, path: positions.Path, value: object) -> object:
    """A copy of `data` with `value` at `path`; aliased parts elsewhere stay as they are."""
    if not path:
        return value
    assert isinstance(data, dict)  # noqa: S101  the path was found by walking mappings
    return {**data, path[0]: _with(data[path[0]], path[1:], value)}


def kept(shown: str, trees: Sequence[Tree]) -> dict[str, str]:
    """The rules of a document as the history keeps them beside it: the files may change."""
    rules = {
        word: [list(text.sources), list(text.data)]
        for one in trees
        for word, text in one.rules.items()
    }
    if not rules:
        return {}
    packed = zlib.compress(json.dumps(rules, sort_keys=True).encode())
    return {shown + _BESIDE: base64.b64encode(packed).decode()}


def is_kept(name: str) -> bool:
    """Whether `name` stands for rules, and not for a document."""
    return name.endswith(_BESIDE)


def with_kept(tree: Tree, shown: str, sources: Mapping[str, str]) -> Tree:
    """`tree`, which says what it said once, with the rules that were kept then."""
    text = sources.get(shown + _BESIDE)
    found = {} if text is None else json.loads(zlib.decompress(base64.b64decode(text)))
    rules = {word: _text(*parts) for word, parts in found.items()}
    data = tree.data
    for path, block in _blocks(tree.data):
        data = _with(data, path, _absolute(block, Path(shown).parent))
    return replace(tree, data=data, rules=rules)


def _text(sources: list[list[str]], data: list[list[str]]) -> RuleText:
    return RuleText(
        tuple((name, text) for name, text in sources), tuple((name, text) for name, text in data)
    )
