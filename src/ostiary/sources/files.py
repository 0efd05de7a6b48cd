"""Files and folders as positioned trees; only what changed is read again.

Fed by the command line (paths) and `watch` (what was touched); feeds `language.read`. Everything
here blocks, so it runs in a thread of its own.
"""

# Thousands of paths at a time: texts are ten times as quick as Path values.
# ruff: noqa: PTH100, PTH112, PTH114, PTH116, PTH118, PTH120, PTH123

from __future__ import annotations

import os
import stat
from collections.abc import (
    AsyncIterator,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Final, TypeAlias

from ostiary.errors import ConfigError, Faults, Place
from ostiary.language.tree import Tree, unreadable
from ostiary.sources.certificates import check
from ostiary.sources.rules import kept, name_rules
from ostiary.sources.watch import changes
from ostiary.sources.yaml_tree import LARGEST, parse

_ENDINGS: Final = (".yaml", ".yml")
_NOT_OURS: Final = (".", "#", "~")
"""How names of hidden files and editors' temporary files begin."""

Stamp: TypeAlias = tuple[int, int, int, int] | None
"""Time of change, size, inode and device; None when there is no such file."""


@dataclass(frozen=True, slots=True)
class _File:
    """One file as it was read last."""

    shown: str
    stamp: Stamp
    trees: tuple[Tree, ...]
    text: str = ""
    names: Mapping[str, Stamp] = field(default_factory=dict)
    """Certificates and rules it names."""
    link: bool = False


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Files:
    """The documents below some paths. A path is a file, or a folder of `*.yaml` and `*.yml`."""

    def __init__(
        self,
        paths: Sequence[str | Path],
        now: Callable[[], datetime] = _utc_now,
        crs: Sequence[Path] | None = None,
    ) -> None:
        """`crs` are the places of an installed Core Rule Set, if not the usual ones."""
        self._named = {os.path.abspath(path): os.fspath(path) for path in paths}
        self._now = now
        self._crs = crs
        self._files: dict[str, _File] = {}
        # By path, kept up file by file: to walk over thousands would hold up each save.
        self._said: dict[str, tuple[Tree, ...]] = {}
        self._sources: dict[str, dict[str, str]] = {}
        self._trees: list[Tree] | None = None
        self.folders: frozenset[str] = frozenset()
        """Every folder whose entries matter, as absolute paths; known after `read`."""

    def read(self) -> list[Tree]:
        """What all files say. Looks at the disk the first time; `changes` keeps it up after that.

        A file that cannot be read is a tree with faults, so that `language` tells all at once.
        """
        if self._trees is None:
            self.look()
        return self.trees()

    def trees(self) -> list[Tree]:
        """What the last look gave."""
        if self._trees is None:
            self._trees = list(chain.from_iterable(self._said.values()))
        return self._trees or [_nothing(list(self._named.values()))]

    def sources(self) -> Mapping[str, str]:
        """File name -> text, as read last; rules that a document names stand beside it."""
        return {name: text for one in self._sources.values() for name, text in one.items()}

    def changes(self) -> AsyncIterator[list[Tree]]:
        """What all files say after each change since `read`; ends when cancelled."""
        return changes(self)

    def look(self, away: Collection[str] = ()) -> bool:
        """Look at every file and read those that changed; whether any did.

        Files of `away` that are gone keep what they said.
        """
        shown, folders = self._list()
        self.folders = frozenset(folders)
        files = {path: self._files[path] for path in away if path in self._files}
        for path in shown:
            if path not in files or self.exists(path):
                files[path] = self._current(path, shown[path])
        if files == self._files:
            return False
        self._files, self._said, self._sources = {}, {}, {}
        for path in sorted(files):
            self._keep(path, files[path])
        return True

    def look_at(self, paths: Iterable[str]) -> bool:
        """Look at `paths` (absolute) alone; whether any changed."""
        changed = False
        for path in paths:
            before = self._files.get(path)
            now = self._current(path, self._shown(path))
            if now.stamp is None and path not in self._named:
                changed |= self._drop(path)
            elif now is not before:
                self._keep(path, now)
                changed = True
        return changed

    def _keep(self, path: str, file: _File) -> None:
        self._files[path] = file
        self._said[path] = file.trees
        self._sources[path] = {file.shown: file.text, **kept(file.shown, file.trees)}
        self._trees = None

    def _drop(self, path: str) -> bool:
        self._said.pop(path, None)
        self._sources.pop(path, None)
        self._trees = None
        return self._files.pop(path, None) is not None

    def stale(self) -> tuple[list[str], list[str]]:
        """Files that are new or changed since the last look, and files that are gone."""
        here = {path for path in self._list()[0] if self.exists(path)}
        known = {path: file.stamp for path, file in self._files.items() if file.stamp is not None}
        changed = [path for path in here if known.get(path) != _stamp(path)]
        return changed, [path for path in known if path not in here]

    def is_ours(self, path: str) -> bool:
        """Whether a file of this name would be read."""
        if path in self._named:
            return True
        folder, name = os.path.split(path)
        return _is_document(name) and any(
            folder == named or folder.startswith(named + os.sep)
            for named in self._named
            if named in self.folders
        )

    def exists(self, path: str) -> bool:
        """Whether `path` is there now."""
        return _stamp(path) is not None

    def polled(self) -> list[str]:
        """Files whose changes no folder reports: links, and what names other files."""
        return [
            path
            for path, file in self._files.items()
            if file.link or file.names or file.stamp is None
        ]

    def _list(self) -> tuple[dict[str, str], set[str]]:
        shown: dict[str, str] = {}
        folders: set[str] = set()
        for path, name in self._named.items():
            if os.path.isdir(path):
                for folder, inside in _walk(path):
                    folders.add(folder)
                    for file in inside:
                        shown[file] = os.path.join(name, os.path.relpath(file, path))
            else:
                folders.add(os.path.dirname(path))
                shown[path] = name
        return shown, folders

    def _shown(self, path: str) -> str:
        if path in self._named:
            return self._named[path]
        for folder, name in self._named.items():
            if path.startswith(folder + os.sep):
                return os.path.join(name, os.path.relpath(path, folder))
        return path

    def _current(self, path: str, shown: str) -> _File:
        """The file as it is; the same object as before when nothing changed."""
        stamp = _stamp(path)
        before = self._files.get(path)
        if before is not None and before.stamp == stamp and _unchanged(before.names):
            return before
        if stamp is None:
            return _File(shown, None, (_missing(shown, vanished=before is not None),))
        try:
            content = _content(path)
        except OSError as error:
            return _File(shown, stamp, (_unreadable(shown, error),))
        return self._parsed(path, shown, stamp, content)

    def _parsed(self, path: str, shown: str, stamp: Stamp, content: bytes) -> _File:
        link = os.path.islink(path)
        text = content.decode(errors="replace")
        try:
            parsed = parse(shown, content)
        except Faults as found:
            return _File(shown, stamp, (unreadable(shown, found, text),), text, link=link)
        folder = Path(os.path.dirname(path))
        checked = [check(tree, folder, self._now()) for tree in parsed]
        named = [name_rules(each.tree, folder, self._crs) for each in checked]
        files = [name for each in checked for name in each.files]
        files += [name for each in named for name in each.files]
        names = {name: _stamp(name) for name in files}
        return _File(shown, stamp, tuple(each.tree for each in named), text, names, link)


def _is_document(name: str) -> bool:
    return name.endswith(_ENDINGS) and not name.startswith(_NOT_OURS)


def _walk(path: str) -> Iterator[tuple[str, list[str]]]:
    """Every folder at and below `path` that is not hidden, with its documents."""
    for folder, below, files in os.walk(path):
        below[:] = sorted(name for name in below if not name.startswith(_NOT_OURS))
        yield folder, [os.path.join(folder, name) for name in files if _is_document(name)]


def _stamp(path: str) -> Stamp:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev


def _unchanged(names: Mapping[str, Stamp]) -> bool:
    return all(_stamp(name) == known for name, known in names.items())


def _content(path: str) -> bytes:
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(0, "it is not a regular file")
    with open(path, "rb") as file:
        return file.read(LARGEST + 1)


def _missing(file: str, *, vanished: bool) -> Tree:
    if vanished:
        sentence, hint = "the file vanished", "put it back; what it said goes on until then"
        return _lost(file, "file.vanished", sentence, hint)
    hint = "check the path; it is taken from the current directory"
    return _lost(file, "file.missing", "there is no such file", hint)


def _unreadable(file: str, error: OSError) -> Tree:
    sentence = f"the file cannot be read: {(error.strerror or str(error)).lower()}"
    hint = "check its permissions; Ostiary reads it as the user that started it"
    return _lost(file, "file.unreadable", sentence, hint)


def _nothing(paths: Sequence[str]) -> Tree:
    where = ", ".join(paths) or "the current directory"
    hint = "documents end in .yaml or .yml and are not hidden"
    return _lost(where, "file.none", f"there is no document in {where}", hint)


def _lost(file: str, code: str, sentence: str, hint: str) -> Tree:
    return unreadable(file, [ConfigError(code, sentence, Place(file), hint)])
