"""Positioned trees in, one document out; or all faults at once.

Fed by `sources`; feeds `plan`. Each tree is validated by itself and remembered, so that a change
of one file among thousands costs that file and a merge.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from pydantic import BaseModel, ValidationError

from ostiary.errors import ConfigError, Faults
from ostiary.language import voice
from ostiary.language.document import NOTHING, Document, Noun
from ostiary.language.gateway import Gateway
from ostiary.language.identity import Provider
from ostiary.language.issuers import Issuer
from ostiary.language.nearest import did_you_mean
from ostiary.language.patterns import name_trouble
from ostiary.language.route import Route
from ostiary.language.service import Service
from ostiary.language.sessions import Sessions
from ostiary.language.tree import Path, Spot, Tree
from ostiary.patched import Patched

_NAMED: Final[Mapping[str, tuple[str, type[BaseModel]]]] = {
    "gateways": ("gateway", Gateway),
    "services": ("service", Service),
    "routes": ("route", Route),
    "providers": ("provider", Provider),
    "issuers": ("issuer", Issuer),
}
_SECTIONS: Final = (
    "gateway",
    "gateways",
    "identity",
    "routes",
    "services",
    "sessions",
    "trust_domain",
)
_IDENTITY: Final = ("issuers", "providers")
_LISTENERS: Final = ("https", "http")
"""The listeners that may stand directly under a gateway."""
_TRUST_DOMAIN_LIMIT: Final = 255
_TRUST_DOMAIN_LETTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")


_Nouns: TypeAlias = dict[str, dict[str, Noun[object]]]
"""Kind of noun -> name -> noun."""
_Merged: TypeAlias = dict[str, Patched[str, Noun[object]]]
"""The same of all trees together."""


@dataclass
class _Part:
    """What one tree says, before it is merged with the others."""

    nouns: _Nouns = field(default_factory=dict)
    faults: list[ConfigError] = field(default_factory=list)
    broken: list[Noun[object]] = field(default_factory=list)

    def add(self, kind: str, noun: Noun[object]) -> None:
        self.nouns.setdefault(kind, {})[noun.name] = noun


class Reader:
    """Reads documents; remembers what each tree said, and what all said together."""

    def __init__(self) -> None:
        self._parts: dict[Tree, _Part] = {}
        self._merged: _Merged = {}
        self._sound = False

    def read(self, trees: Sequence[Tree]) -> Document:
        """The document that `trees` make together. Raises `Faults` with every fault of all."""
        document, faults = self.read_lenient(trees)
        if faults:
            raise Faults(faults)
        return document

    def read_lenient(self, trees: Sequence[Tree]) -> tuple[Document, tuple[ConfigError, ...]]:
        """The document without its faulty nouns, which stand in `broken`, and the faults."""
        added, gone = self._follow(trees)
        merged = self._patched(added, gone) if self._sound else None
        faults: list[ConfigError] = []
        twice: list[Noun[object]] = []
        if merged is None:
            merged, faults, twice = _merge(list(self._parts.values()))
        self._merged, self._sound = merged, not faults
        broken: list[Noun[object]] = []
        for part in [part for part in self._parts.values() if part.faults]:
            faults += part.faults
            broken += part.broken
        return _document(merged, (*broken, *twice)), tuple(faults)

    def _follow(self, trees: Sequence[Tree]) -> tuple[list[_Part], list[_Part]]:
        """Read the new ones of `trees`: what they say, and what those said that are gone."""
        before = self._parts
        added = {tree: _read_tree(tree) for tree in trees if tree not in before}
        known = {**before, **added}
        # Thousands of trees in their new order, put together at the machine's own speed.
        self._parts = dict(zip(trees, map(known.__getitem__, trees), strict=True))
        if len(self._parts) == len(known):
            return list(added.values()), []
        gone = [part for tree, part in before.items() if tree not in self._parts]
        return list(added.values()), gone

    def _patched(self, added: Sequence[_Part], gone: Sequence[_Part]) -> _Merged | None:
        """What the last merge comes to with the changed parts; None when a name stands twice."""
        merged = dict(self._merged)
        for kind in {kind for part in (*gone, *added) for kind in part.nouns}:
            nouns: Patched[str, Noun[object]] = merged.get(kind) or Patched()
            left = {name for part in gone for name in part.nouns.get(kind, ())}
            new: dict[str, Noun[object]] = {}
            for part in added:
                for name, noun in part.nouns.get(kind, {}).items():
                    if name in new or (name in nouns and name not in left):
                        return None
                    new[name] = noun
            merged[kind] = nouns.patched(new, sorted(left - new.keys()))
        return merged


def read(trees: Sequence[Tree]) -> Document:
    """The document that `trees` make together. Raises `Faults` with every fault of all."""
    return Reader().read(trees)


def _merge(parts: Sequence[_Part]) -> tuple[_Merged, list[ConfigError], list[Noun[object]]]:
    found: _Nouns = {}
    total = 0
    for part in parts:
        for kind, nouns in part.nouns.items():
            total += len(nouns)
            into = found.get(kind)
            if into is None:
                into = found[kind] = {}
            into.update(nouns)
    twice = total != sum(map(len, found.values()))
    faults, broken = _duplicates(parts, found) if twice else ([], [])
    return {kind: Patched(nouns) for kind, nouns in found.items()}, faults, broken


def _duplicates(
    parts: Sequence[_Part], merged: _Nouns
) -> tuple[list[ConfigError], list[Noun[object]]]:
    faults: list[ConfigError] = []
    broken: list[Noun[object]] = []
    first: dict[tuple[str, str], Noun[object]] = {}
    for part in parts:
        for kind, nouns in part.nouns.items():
            for name, noun in nouns.items():
                earlier = first.setdefault((kind, name), noun)
                if earlier is noun:
                    continue
                merged[kind].pop(name, None)
                broken += [earlier, noun]
                faults.append(_written_twice(noun, earlier))
    return faults, broken


def _written_twice(noun: Noun[object], earlier: Noun[object]) -> ConfigError:
    return ConfigError(
        "document.duplicate-name",
        f"{noun} is written twice; the other one is at {earlier.place}",
        noun.place,
        "rename one of them, or take it away" if noun.name else "keep one of them",
    )


def _document(merged: _Merged, broken: tuple[Noun[object], ...]) -> Document:
    sections: dict[str, object] = {kind: merged.get(kind, NOTHING) for kind in _NAMED}
    for kind in ("sessions", "trust_domain"):
        sections[kind] = merged.get(kind, NOTHING).get("")
    return Document(**sections, broken=broken)  # type: ignore[arg-type]  # one model a section


def _read_tree(tree: Tree) -> _Part:
    part = _Part()
    whole = [fault for at, fault in tree.faults if not at]
    if whole:
        part.faults += whole
        part.broken.append(Noun("file", tree.file, tree.text, tree, ()))
        return part
    if not isinstance(tree.data, dict):
        part.faults.append(_not_a_mapping(tree, "the document", ()))
        return part
    for section, value in tree.data.items():
        _read_section(part, tree, section, value)
    return part


def _read_section(part: _Part, tree: Tree, section: str, value: object) -> None:
    path: Path = (section,)
    if section in {"gateways", "services", "routes"}:
        _read_names(part, section, Noun("", "", value, tree, path))
    elif section == "gateway":
        _read_named(part, "gateways", Noun("gateway", "main", value, tree, path))
    elif section == "identity":
        _read_identity(part, Noun("identity", "", value, tree, path))
    elif section == "sessions":
        _validate(part, section, Noun(section, "", value, tree, path), Sessions)
    elif section == "trust_domain":
        _read_trust_domain(part, Noun(section, "", value, tree, path))
    else:
        part.faults.append(_unknown_section(tree, path, _SECTIONS))


def _read_names(part: _Part, section: str, names: Noun[object]) -> None:
    for name, data in _entries(part, names):
        path = (*names.path, name)
        _read_named(part, section, Noun(_NAMED[section][0], name, data, names.tree, path))


def _read_identity(part: _Part, noun: Noun[object]) -> None:
    for key, below in _entries(part, noun):
        path = (*noun.path, key)
        if key in _IDENTITY:
            _read_names(part, key, Noun("", "", below, noun.tree, path))
        else:
            part.faults.append(_unknown_section(noun.tree, path, _IDENTITY))


def _entries(part: _Part, noun: Noun[object]) -> Iterator[tuple[str, object]]:
    if isinstance(noun.value, dict):
        yield from noun.value.items()
    elif noun.value is not None:
        what = f'"{voice.spell(noun.path)}"'
        part.faults.append(_not_a_mapping(noun.tree, what, noun.path))


def _read_named(part: _Part, section: str, noun: Noun[object]) -> None:
    trouble = name_trouble(noun.name)
    if trouble is not None:
        sentence = f"{noun}: {trouble.sentence}"
        part.faults.append(ConfigError(trouble.code, sentence, noun.place, trouble.hint))
        part.broken.append(noun)
        return
    outside = [f for at, f in noun.tree.faults if at[: len(noun.path)] == noun.path]
    if outside:
        part.faults += outside
        part.broken.append(noun)
        return
    if section == "gateways":
        noun = _long_gateway(noun)
    _validate(part, section, noun, _NAMED[section][1])


def _validate(part: _Part, section: str, noun: Noun[object], model: type[BaseModel]) -> None:
    empty = list(_empty(noun.value, ()))
    if empty:
        part.faults += [_no_value(noun, path) for path in empty]
        part.broken.append(noun)
        return
    try:
        value = model.model_validate({} if noun.value is None else noun.value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        part.faults.extend(voice.faults(noun, model, found))
        part.broken.append(noun)
    else:
        part.add(section, Noun(noun.kind, noun.name, value, noun.tree, noun.path))


def _empty(value: object, path: Path) -> Iterator[Path]:
    """Every key below `value` that was written and given nothing."""
    if isinstance(value, dict):
        below: Iterable[tuple[str | int, object]] = value.items()
    elif isinstance(value, list):
        below = enumerate(value)
    else:
        return
    for step, inside in below:
        if inside is None:
            yield (*path, step)
        elif isinstance(inside, dict | list):
            yield from _empty(inside, (*path, step))


def _no_value(noun: Noun[object], path: Path) -> ConfigError:
    return ConfigError(
        "document.no-value",
        f'{noun}: "{voice.spell(path)}" has no value',
        noun.at(*path),
        "write one, or take the key away; an empty key is never guessed at",
    )


def _long_gateway(noun: Noun[object]) -> Noun[object]:
    """The gateway with `https:` and `http:` moved under `listeners:`, positions included."""
    data = noun.value
    if not isinstance(data, dict) or "listeners" in data or not any(k in data for k in _LISTENERS):
        return noun
    moved = {key: data[key] for key in data if key in _LISTENERS}
    rest = {key: data[key] for key in data if key not in _LISTENERS}
    spot = noun.tree.spot
    for step in noun.path:
        spot = spot.below.get(step, spot)
    below = {key: spot.below[key] for key in moved if key in spot.below}
    listeners = Spot(*spot[:4], below)
    long = Spot(*spot[:4], {**spot.below, "listeners": listeners})
    # The noun gets a tree of its own, rooted at itself: its places say where it really stands.
    tree = Tree(noun.tree.file, {**rest, "listeners": moved}, long, rules=noun.tree.rules)
    return Noun(noun.kind, noun.name, tree.data, tree, ())


def _read_trust_domain(part: _Part, noun: Noun[object]) -> None:
    value = noun.value
    labels = value.split(".") if isinstance(value, str) else [""]
    good = all(label and not set(label) - _TRUST_DOMAIN_LETTERS for label in labels)
    if good and len(str(value)) <= _TRUST_DOMAIN_LIMIT:
        part.add("trust_domain", noun)
        return
    part.broken.append(noun)
    part.faults.append(
        ConfigError(
            "document.wrong-value",
            f"{voice.show(value)} is not a trust domain",
            noun.tree.value_place(noun.path),
            "write a name of lower-case letters, digits, dots, - and _, such as corp.example",
        )
    )


def _unknown_section(tree: Tree, path: Path, sections: Sequence[str]) -> ConfigError:
    where = "at the top of a document" if len(path) == 1 else f"in {voice.spell(path[:-1])}"
    return ConfigError(
        "document.unknown-key",
        f'there is no key "{path[-1]}" {where}',
        tree.place(path),
        did_you_mean(str(path[-1]), sections, "keys"),
    )


def _not_a_mapping(tree: Tree, what: str, path: Path) -> ConfigError:
    return ConfigError(
        "document.wrong-type",
        f"{what} must be a mapping of keys to values",
        tree.value_place(path) if path else tree.place(),
        "write `key: value` lines, such as `routes:`",
    )
