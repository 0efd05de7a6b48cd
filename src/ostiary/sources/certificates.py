"""Certificate files that a document names: found, read, checked, made absolute.

Fed by `files`; what is wrong becomes a fault at the line that names the file. The files are read
again by `authority` when it serves them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from ostiary.certs.pair import check_validity, read_pair
from ostiary.errors import ConfigError, Refused
from ostiary.language import tree as positions
from ostiary.language.tree import Tree, value_at

_SENTENCES: Final = {
    "certificate.broken": "the certificate is not PEM, or is cut off",
    "certificate.key-broken": "the private key is not PEM, is cut off or is encrypted",
}
"""In place of what the library says, which changes with its version."""


@dataclass
class Checked:
    """A tree whose certificate files were looked at, and the files themselves."""

    tree: Tree
    files: list[str] = field(default_factory=list)


def check(tree: Tree, folder: Path, now: datetime) -> Checked:
    """`tree` with absolute certificate paths, relative to `folder`, and their faults in it."""
    checked = Checked(tree)
    faults: list[tuple[positions.Path, ConfigError]] = []
    data = tree.data
    for path in _certificates(tree.data):
        written = value_at(data, path)
        if not isinstance(written, dict):
            continue
        absolute = {
            key: str(folder / name) if key in {"file", "key"} and isinstance(name, str) else name
            for key, name in written.items()
        }
        data = _with(data, path, absolute)
        found = _fault(tree, path, absolute, now)
        if found is not None:
            faults.append((path, found))
        checked.files += [name for name in absolute.values() if isinstance(name, str)]
    if checked.files:
        checked.tree = replace(tree, data=data, faults=tuple(faults))
    return checked


def _certificates(data: object) -> Iterator[positions.Path]:
    """Every place where a certificate may stand: below listeners, in both forms of a gateway."""
    for gateway in [("gateway",), *_keys(data, ("gateways",))]:
        for listener in [*_keys(data, gateway), *_keys(data, (*gateway, "listeners"))]:
            path = (*listener, "certificate")
            if value_at(data, path) is not None:
                yield path


def _keys(data: object, path: positions.Path) -> list[positions.Path]:
    below = value_at(data, path)
    return [(*path, key) for key in below] if isinstance(below, dict) else []


def _with(data: object, path: positions.Path, value: object) -> object:
    """A copy of `data` with `value` at `path`; aliased parts elsewhere stay as they are."""
    if not path:
        return value
    assert isinstance(data, dict)  # noqa: S101  the path was found by walking mappings
    return {**data, path[0]: _with(data[path[0]], path[1:], value)}


def _fault(
    tree: Tree, path: positions.Path, names: dict[str, object], now: datetime
) -> ConfigError | None:
    contents: dict[str, bytes] = {}
    for key in ("file", "key"):
        name = names.get(key)
        if not isinstance(name, str):
            return None  # said in better words when the document is read
        try:
            contents[key] = Path(name).read_bytes()
        except OSError as error:
            kind = "secret" if key == "key" else "certificate"
            what = "private key" if key == "key" else "certificate"
            return ConfigError(
                f"{kind}.unreadable",
                f"the {what} {name} cannot be read: {(error.strerror or 'error').lower()}",
                tree.value_place((*path, key)),
                "a path is relative to the document that names it; check it and its permissions",
            )
    try:
        check_validity(read_pair(contents["file"], contents["key"]), now)
    except Refused as refused:
        key = "key" if "key" in refused.code else "file"
        code = refused.code.replace("-", ".", 1)
        sentence = f"{names[key]}: {_SENTENCES.get(code, refused.message)}"
        return ConfigError(code, sentence, tree.value_place((*path, key)), refused.hint)
    return None
