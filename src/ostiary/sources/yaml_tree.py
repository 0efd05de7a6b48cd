"""YAML text in, positioned trees out.

Only the part of YAML 1.2 that a document needs: plain words by the core schema (`no`, `on` and
`yes` are words, not booleans), no tags, no merge keys, aliases within a budget. Events of the C
parser are folded on a stack of our own, so neither depth nor aliases can exhaust us.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

import yaml
from yaml.cyaml import CParser  # type: ignore[attr-defined]  # the stubs hide it

from ostiary.errors import ConfigError, Faults, Place
from ostiary.language.tree import NO_SPOTS, Spot, Step, Tree

LARGEST: Final = 5_000_000
"""Bytes of one file; a larger one is generated, and wants to be several."""
DEEPEST: Final = 64
"""Levels of nesting."""
MOST_VALUES: Final = 1_000_000
"""Values of one document after its aliases are written out."""

_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,18}|0o[0-7]{1,18}|0x[0-9a-fA-F]{1,15}")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: Final[dict[str, bool | None]] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
_NUMBERS_BEGIN: Final = frozenset("0123456789-+.")


def parse(file: str, content: bytes) -> list[Tree]:
    """The trees of one file, one for each YAML document in it. Raises `Faults`."""
    if len(content) > LARGEST:
        raise _fault(
            "yaml.too-large",
            f"the file is larger than {LARGEST // 1_000_000} MB",
            Place(file),
            "split it into several files of one folder; unchanged ones are not read again",
        )
    return _Fold(file, _decode(file, content)).trees()


def _fault(code: str, message: str, place: Place, hint: str) -> Faults:
    return Faults([ConfigError(code, message, place, hint)])


def _decode(file: str, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line = before.count(b"\n") + 1
        column = len(before) - (before.rfind(b"\n") + 1) + 1
        raise _fault(
            "yaml.not-utf8",
            f"byte 0x{content[error.start]:02x} is not UTF-8",
            Place(file, line, column),
            "save the file as UTF-8",
        ) from error


@dataclass(slots=True)
class _Open:
    """A mapping or list whose end has not been seen."""

    data: dict[str, Any] | list[Any]
    below: dict[Step, Spot]
    line: int
    column: int
    anchor: str | None
    weight: int = 1
    key: str | None = None
    key_line: int = 0
    key_column: int = 0


@dataclass(slots=True)
class _Anchored:
    data: object
    below: Any
    weight: int


@dataclass(slots=True)
class _Fold:
    """Folds the events of one file into trees."""

    file: str
    text: str
    stack: list[_Open] = field(default_factory=list)
    anchors: dict[str, _Anchored] = field(default_factory=dict)
    faults: list[ConfigError] = field(default_factory=list)
    finished: list[Tree] = field(default_factory=list)

    def trees(self) -> list[Tree]:
        """All documents of the file. Raises `Faults`."""
        try:
            self._run(CParser(self.text))
        except yaml.MarkedYAMLError as error:
            self.faults.append(self._syntax(error))
        except yaml.reader.ReaderError as error:
            self.faults.append(self._character(error))
        if not self.faults and not self.finished:
            self.faults.append(self._empty())
        if self.faults:
            raise Faults(self.faults)
        return self.finished

    def _run(self, parser: Any) -> None:
        get = parser.get_event
        while True:
            event = get()
            kind = event.__class__
            if kind is yaml.ScalarEvent:
                self._scalar(event)
            elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
                self._open(event, {} if kind is yaml.MappingStartEvent else [])
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                self._close()
            elif kind is yaml.AliasEvent:
                self._alias(event)
            elif kind is yaml.DocumentStartEvent:
                self.anchors.clear()
            elif kind is yaml.StreamEndEvent:
                return

    def _scalar(self, event: Any) -> None:
        mark = event.start_mark
        text: str = event.value
        if event.tag is not None and event.tag != "!":
            self._refuse_tag(event)
        top = self.stack[-1] if self.stack else None
        if top is not None and top.key is None and top.data.__class__ is dict:
            self._key(top, text, mark)
            return
        value: object = text
        if event.implicit[0]:
            if text in _WORDS:
                value = _WORDS[text]
            elif text[0] in _NUMBERS_BEGIN:
                value = _number(text)
        if event.anchor is not None:
            self.anchors[event.anchor] = _Anchored(value, NO_SPOTS, 1)
        self._put(value, mark.line + 1, mark.column + 1, NO_SPOTS, 1)

    def _key(self, top: _Open, text: str, mark: Any) -> None:
        place = Place(self.file, mark.line + 1, mark.column + 1)
        if text in top.data:
            first = top.below[text]
            self.faults.append(
                ConfigError(
                    "yaml.duplicate-key",
                    f'the key "{text}" stands twice here; the first is in line {first.line}',
                    place,
                    "keep one of them",
                )
            )
        if text == "<<":
            self.faults.append(_merge_key(place))
        top.key, top.key_line, top.key_column = text, place.line, place.column

    def _open(self, event: Any, data: dict[str, Any] | list[Any]) -> None:
        mark = event.start_mark
        place = Place(self.file, mark.line + 1, mark.column + 1)
        if event.tag is not None and event.tag != "!":
            self._refuse_tag(event)
        if self.stack and self.stack[-1].key is None and isinstance(self.stack[-1].data, dict):
            raise _fault("yaml.key", "a key must be a single word", place, "write `key: value`")
        if len(self.stack) >= DEEPEST:
            raise _fault(
                "yaml.too-deep",
                f"the document is nested more than {DEEPEST} levels deep",
                place,
                "no part of the language is that deep; look for a bracket too many",
            )
        self.stack.append(_Open(data, {}, place.line, place.column, event.anchor))

    def _close(self) -> None:
        done = self.stack.pop()
        if done.anchor is not None:
            self.anchors[done.anchor] = _Anchored(done.data, done.below, done.weight)
        self._put(done.data, done.line, done.column, done.below, done.weight)

    def _alias(self, event: Any) -> None:
        mark = event.start_mark
        place = Place(self.file, mark.line + 1, mark.column + 1)
        target = self.anchors.get(event.anchor)
        if target is None:
            open_above = any(level.anchor == event.anchor for level in self.stack)
            wrong = "stands inside what it names" if open_above else "names no anchor above it"
            hint = "write the value out" if open_above else f"add &{event.anchor} to a value above"
            raise _fault("yaml.alias", f"the alias *{event.anchor} {wrong}", place, hint)
        if self.stack and self.stack[-1].key is None and isinstance(self.stack[-1].data, dict):
            raise _fault("yaml.key", "an alias cannot be a key", place, "write the key out")
        self._put(target.data, place.line, place.column, target.below, target.weight)

    def _put(self, value: object, line: int, column: int, below: Any, weight: int) -> None:
        if not self.stack:
            spot = Spot(line, column, line, column, below)
            if value is not None:
                self.finished.append(Tree(self.file, value, spot))
            return
        top = self.stack[-1]
        top.weight += weight
        if top.weight > MOST_VALUES:
            raise _fault(
                "yaml.bomb",
                f"written out, the aliases of this document make more than {MOST_VALUES:,} values",
                Place(self.file, line, column),
                "a document that grows like this is an attack or a mistake; use fewer aliases",
            )
        if isinstance(top.data, dict):
            key = top.key
            assert key is not None  # noqa: S101  the parser gives keys and values in turn
            top.data[key] = value
            top.below[key] = Spot(top.key_line, top.key_column, line, column, below)
            top.key = None
        else:
            top.below[len(top.data)] = Spot(line, column, line, column, below)
            top.data.append(value)

    def _refuse_tag(self, event: Any) -> None:
        mark = event.start_mark
        self.faults.append(
            ConfigError(
                "yaml.tag",
                f"the tag {event.tag} has no meaning here",
                Place(self.file, mark.line + 1, mark.column + 1),
                "leave it out; put quotes around a value that must be text",
            )
        )

    def _syntax(self, error: Any) -> ConfigError:
        mark = error.problem_mark or error.context_mark
        place = Place(self.file, mark.line + 1, mark.column + 1) if mark else Place(self.file)
        problem = str(error.problem or error.context)
        lines = self.text.split("\n")
        line = lines[place.line - 1] if place.line <= len(lines) else ""
        if "\t" in line[: place.column]:
            hint = "indent with spaces; YAML allows no tabs there"
            return ConfigError("yaml.tab", "a tab stands where YAML wants spaces", place, hint)
        if "nesting depth" in problem:
            hint = "no part of the language is that deep; look for a bracket too many"
            return ConfigError("yaml.too-deep", "the document is nested too deep", place, hint)
        context = f" {error.context}" if error.context and error.problem else ""
        return ConfigError(
            "yaml.syntax",
            f"this is not YAML: {problem}{context}",
            place,
            "look at this line and the one above: indentation, a missing colon, an open bracket",
        )

    def _character(self, error: Any) -> ConfigError:
        offset = self.text.find(chr(error.character)) if isinstance(error.character, int) else -1
        before = self.text[: max(offset, 0)]
        place = Place(self.file, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
        return ConfigError(
            "yaml.syntax",
            "this is not YAML: it holds a control character",
            place,
            "take the invisible character out",
        )

    def _empty(self) -> ConfigError:
        return ConfigError(
            "yaml.empty",
            "the document is empty",
            Place(self.file),
            "write at least a `routes:` section, or take the file away",
        )


def _merge_key(place: Place) -> ConfigError:
    hint = "write the keys out; blocks on a gateway or service hold for all routes below"
    return ConfigError("yaml.key", "merge keys (<<) are not part of the language", place, hint)


def _number(text: str) -> object:
    if _INTEGER.fullmatch(text):
        return int(text, 0) if text[:2] in {"0o", "0x"} else int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
