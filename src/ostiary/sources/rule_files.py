"""Rules in SecLang as they lie on the disk: one file, a folder, or an installed Core Rule Set.

Fed by `rules` for documents and by the command line; feeds the engine. `Include` is followed here
and the files of phrases are read here, for the engine opens nothing.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ostiary.errors import OstiaryError
from ostiary.features.waf import CRS
from ostiary.language.tree import RuleText

LARGEST: Final = 16_000_000
"""Bytes of all files of one name together; CRS 4 has one million."""
DEEPEST: Final = 8
"""Levels of `Include`."""
_INCLUDE: Final = re.compile(r"^\s*Include(Optional)?\s+\"?([^\"\n]+?)\"?\s*$", re.IGNORECASE)
_DATA: Final = re.compile(
    r"@(?:pmf|pmFromFile|ipMatchF|ipMatchFromFile)\s+([^\"\n]+)", re.IGNORECASE
)
_NAMED: Final = "a path is relative to the document that names it; check it and its permissions"
_INCLUDED: Final = (
    "a path is relative to the file that includes it; check it and its permissions, or write "
    "IncludeOptional where it may be away"
)
_DEBIAN: Final = Path("/usr/share/modsecurity-crs")
_CHANGED: Final = Path("/etc/modsecurity/crs")
"""Where Debian's package keeps what people may change."""


class UnreadRules(OstiaryError):
    """Rules that cannot be read: a code of `rules.*`, a sentence and what to do."""

    def __init__(self, code: str, sentence: str, hint: str) -> None:
        super().__init__(f"{sentence}\n  hint: {hint}")
        self.code = code
        self.sentence = sentence
        self.hint = hint


@dataclass
class Read:
    """What was read, and every path that it depends on."""

    text: RuleText
    paths: list[str]


def crs_places() -> tuple[Path, ...]:
    """Where an installed Core Rule Set may be, the first that is there."""
    ours = Path("share/ostiary/crs/current")
    return Path(sys.prefix) / ours, Path.home() / ".local" / ours, _DEBIAN


def read_rules(word: str, folder: Path, places: Sequence[Path] | None = None) -> Read:
    """The rules called `word` in a document of `folder`. Raises `UnreadRules`.

    `places` are those of `crs_places` unless given.
    """
    if word == CRS:
        return _read_crs(crs_places() if places is None else places)
    path = folder / word
    if path.is_dir():
        return _read_folder(path, str(path))
    return _Reading().read(path, str(path))


def _read_crs(places: Sequence[Path]) -> Read:
    found = next((place for place in places if (place / "rules").is_dir()), None)
    if found is None:
        raise UnreadRules(
            "rules.no-crs",
            "the OWASP Core Rule Set is not installed on this machine",
            "run `ostiary waf install-crs`, or install Debian's package modsecurity-crs",
        )
    return _read_folder(found, CRS)


def _read_folder(folder: Path, shown: str) -> Read:
    """A release of CRS: its set-up, then its rules by name. Else every file of rules by name."""
    reading = _Reading()
    reading.paths += [str(folder), str(folder / "rules")]
    if (folder / "rules").is_dir():
        own = sorted((folder / "rules").glob("*.conf"))
        changed = sorted(_CHANGED.glob("*.conf")) if folder == _DEBIAN else []
        setups = [*_setup(folder), *(one for one in changed if one.name == "crs-setup.conf")]
        rules = sorted([*own, *(one for one in changed if one not in setups)], key=_name)
        files = [*setups[:1], *rules]
    else:
        files = sorted(one for one in folder.glob("*.conf") if not one.name.startswith("."))
    if not files:
        raise UnreadRules(
            "rules.missing",
            f"there are no rules in the folder {folder}",
            "files of rules end in .conf; a release of CRS has a folder called rules",
        )
    for file in files:
        inside = file.relative_to(folder) if file.is_relative_to(folder) else Path(file.name)
        reading.take(file, f"{shown}/{inside}")
    return reading.done()


def _setup(folder: Path) -> list[Path]:
    names = ("crs-setup.conf", "crs-setup.conf.example")
    return [folder / name for name in names if (folder / name).is_file()]


def _name(path: Path) -> str:
    return path.name


@dataclass
class _Reading:
    """Reads file after file, and what they name."""

    sources: list[tuple[str, str]] = field(default_factory=list)
    data: dict[str, str] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)
    size: int = 0

    def read(self, path: Path, shown: str) -> Read:
        self.take(path, shown)
        return self.done()

    def done(self) -> Read:
        text = RuleText(tuple(self.sources), tuple(sorted(self.data.items())))
        return Read(text, self.paths)

    def take(self, path: Path, shown: str, by: Sequence[str] = ()) -> None:
        """The rules of `path`; those that it includes stand where it includes them.

        `by` are the lines that include it, FILE:LINE, the outermost first.
        """
        if len(by) > DEEPEST:
            hint = "take the circle out"
            sentence = f"{by[-1]}: {shown} includes itself, or too deep"
            raise UnreadRules("rules.missing", sentence, hint)
        text = self._text(path, shown, by)
        lines = text.split("\n")
        begun = 0
        for at, line in enumerate(lines):
            include = _INCLUDE.match(line)
            if include is not None:
                self._source(shown, lines, begun, at)
                self._include(path, include, [*by, f"{shown}:{at + 1}"])
                begun = at + 1
        self._source(shown, lines, begun, len(lines))
        for name in _phrases(text):
            self._phrases(path.parent / name, name)

    def _source(self, shown: str, lines: Sequence[str], begun: int, end: int) -> None:
        """Lines keep their numbers: what stands elsewhere is left blank."""
        part = "\n".join(lines[begun:end])
        if part.strip():
            self.sources.append((shown, "\n" * begun + part))

    def _include(self, path: Path, include: re.Match[str], by: Sequence[str]) -> None:
        optional, target = bool(include[1]), path.parent / include[2]
        found = sorted(target.parent.glob(target.name)) if "*" in target.name else [target]
        self.paths.append(str(target.parent))
        if not found and not optional:
            sentence = f"{by[-1]}: no file is called {target}"
            raise UnreadRules("rules.missing", sentence, _INCLUDED)
        for one in found:
            if not optional or one.exists():
                self.take(one, str(one), by)

    def _phrases(self, path: Path, name: str) -> None:
        """A file that is not there is the engine's to tell, with the line that names it."""
        self.paths.append(str(path))
        if not path.is_file():
            return
        text = self._text(path, str(path))
        if self.data.setdefault(name, text) != text:
            hint = "rename one of the two files, and the rule that names it"
            sentence = f"two different files of phrases are called {name}"
            raise UnreadRules("rules.data-twice", sentence, hint)

    def _text(self, path: Path, shown: str, by: Sequence[str] = ()) -> str:
        self.paths.append(str(path))
        hint = _INCLUDED if by else _NAMED
        where = f"{by[-1]}: " if by else ""
        try:
            content = path.read_bytes()
        except OSError as error:
            why = (error.strerror or "error").lower()
            code = "rules.missing" if isinstance(error, FileNotFoundError) else "rules.unreadable"
            sentence = f"{where}the rules {shown} cannot be read: {why}"
            raise UnreadRules(code, sentence, hint) from error
        self.size += len(content)
        if self.size > LARGEST:
            sentence = f"the rules {shown} and what they name are larger than {LARGEST >> 20} MiB"
            raise UnreadRules("rules.unreadable", sentence, "name only the files you mean")
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            sentence = f"the rules {shown} are not UTF-8 (byte {error.start})"
            raise UnreadRules("rules.unreadable", sentence, "save the file as UTF-8") from error


def _phrases(text: str) -> Iterator[str]:
    for line in text.split("\n"):
        if not line.lstrip().startswith("#"):
            for words in _DATA.findall(line):
                yield from words.split()
