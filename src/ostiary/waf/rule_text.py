"""A rule as it is written: its directive with its chain, and the words of each link.

The engine says what is wrong with a rule and what it finds; what a person reads when asking about
one is the text itself. SecLang joins lines that end in a backslash and quotes words with `"`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

_WORD: Final = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')
_CHAIN: Final = re.compile(r"(?:^|,)\s*chain\s*(?=,|$)")
_TRANSFORM: Final = re.compile(r"(?:^|,)\s*t:([A-Za-z0-9]+)")
_RULES: Final = frozenset({"secrule", "secaction"})


@dataclass(frozen=True, slots=True)
class Link:
    """One condition of a rule."""

    targets: tuple[str, ...]
    """Parts of a request as they are written, `!REQUEST_COOKIES:x` for those left out."""
    operator: str
    """`@rx ^a`; empty for SecAction, which always holds."""
    transforms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """A rule in its file."""

    line: int
    """Where it begins, from 1."""
    text: str
    """Its lines and those of its chain, verbatim."""
    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Directive:
    """One directive: its lines, joined where they end in a backslash."""

    line: int
    text: str
    words: tuple[str, ...]

    @property
    def name(self) -> str:
        """The directive's name in lower case."""
        return self.words[0].lower()

    @property
    def is_rule(self) -> bool:
        """Whether it is SecRule or SecAction."""
        return self.name in _RULES


def directives(text: str) -> Iterator[Directive]:
    """Every directive of `text`; comments and empty lines are none."""
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        begun = at
        while lines[at].rstrip().endswith("\\") and at + 1 < len(lines):
            at += 1
        at += 1
        if lines[begun].strip() and not lines[begun].lstrip().startswith("#"):
            verbatim = "\n".join(lines[begun:at])
            yield Directive(begun + 1, verbatim, _words(_joined(lines[begun:at])))


def written(text: str, line: int) -> Written | None:
    """The rule that begins at `line` of `text`, its chain with it; None when none does."""
    found = [one for one in directives(text) if one.line >= line]
    if not found or found[0].line != line or not found[0].is_rule:
        return None
    chain: list[Directive] = []
    for one in found:
        if not one.is_rule:
            break
        chain.append(one)
        if not _CHAIN.search(_actions(one)):
            break
    verbatim = "\n".join(one.text for one in chain)
    return Written(line, verbatim, tuple(map(_link, chain)))


def _joined(lines: Sequence[str]) -> str:
    return "".join(line.rstrip().removesuffix("\\") for line in lines)


def _words(text: str) -> tuple[str, ...]:
    return tuple(
        (quoted if quoted or not plain else plain).replace('\\"', '"')
        for quoted, plain in _WORD.findall(text)
    )


def _actions(one: Directive) -> str:
    if one.name == "secaction":
        return one.words[1] if len(one.words) > 1 else ""
    return one.words[3] if len(one.words) > 3 else ""  # noqa: PLR2004  SecRule TARGETS OPERATOR ACTIONS


def _link(one: Directive) -> Link:
    transforms = tuple(_TRANSFORM.findall(_actions(one)))
    if one.name == "secaction":
        return Link((), "", transforms)
    targets = one.words[1] if len(one.words) > 1 else ""
    operator = one.words[2] if len(one.words) > 2 else ""  # noqa: PLR2004  the same three words
    return Link(tuple(_targets(targets)), operator, transforms)


def _targets(text: str) -> Iterator[str]:
    """Parts between `|`; a part's own pattern (`ARGS:/a|b/`) may have one too."""
    held = ""
    for piece in text.split("|"):
        held = f"{held}|{piece}" if held else piece
        if held.count("/") % 2 == 0 or ":/" not in held:
            yield held.strip()
            held = ""
    if held:
        yield held.strip()
