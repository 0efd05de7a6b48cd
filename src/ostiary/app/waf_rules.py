"""Rules and the engine for the commands of `ostiary waf`: read from the disk, compiled, asked.

Fed by `sources.rule_files` and the wheel of the guard; feeds `cli`. Commands read exactly what a
document that names the same words reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from ostiary.errors import Refused
from ostiary.features.waf import CORE
from ostiary.sources.rule_files import UnreadRules, read_rules
from ostiary.waf.request import Request

_ENGINE: Final = "ostiary_guard.waf"
_CORE_FILE: Final = "core.conf"


@dataclass(frozen=True)
class RuleFiles:
    """The texts behind some words, in their order."""

    words: tuple[str, ...]
    sources: tuple[tuple[str, str], ...]
    data: Mapping[str, str]

    def text(self, file: str, line: int) -> str:
        """The part of `file` in which `line` stands; parts of a file are padded to its lines."""
        parts = [text for name, text in self.sources if name == file]
        return next((one for one in parts if _has(one, line)), "")


def _has(text: str, line: int) -> bool:
    lines = text.split("\n")
    return len(lines) >= line and bool(lines[line - 1].strip())


def engine() -> Any:
    """The engine as it stands in Envoy. Raises `Refused` where the guard's wheel is not here."""
    if find_spec("ostiary_guard") is None or find_spec(_ENGINE) is None:
        raise Refused(
            "no-engine",
            "the engine of waf is not installed on this machine",
            "install the wheel ostiary-guard beside ostiary",
        )
    return import_module(_ENGINE)


def read(words: Sequence[str], folder: Path) -> RuleFiles:
    """The rules that `words` mean, `core` first as in Envoy. Raises `Refused`."""
    sources: list[tuple[str, str]] = []
    data: dict[str, str] = {}
    if CORE in words:
        sources.append((_CORE_FILE, engine().CORE))
    for word in words:
        if word == CORE:
            continue
        try:
            found = read_rules(word, folder).text
        except UnreadRules as error:
            raise Refused("rules-unread", error.sentence, error.hint) from error
        sources += found.sources
        data |= found.data
    return RuleFiles(tuple(words), tuple(sources), data)


def rule_set(files: RuleFiles) -> Any:
    """The engine's rule set; `RuleFaults` of the engine say what is wrong with it."""
    return engine().RuleSet(list(files.sources), dict(files.data))


def plan(files: RuleFiles, **settings: Any) -> Any:
    """The rules, compiled with `settings`. Raises `Refused` with the first fault."""
    waf = engine()
    try:
        return waf.Plan(rule_set(files), **settings)
    except waf.RuleFaults as found:
        file, line, sentence = found.faults[0]
        more = len(found.faults) - 1
        others = f" (and {more} more)" if more else ""
        raise Refused(
            "rules-faulty",
            f"{file}:{line}: {sentence}{others}",
            "`ostiary waf lint` shows all that is wrong with rules",
        ) from found


def inspect(compiled: Any, request: Request, **conditions: Any) -> Any:
    """What compiled rules say about `request`."""
    return compiled.inspect(
        request.method,
        request.uri,
        list(request.headers),
        request.body,
        remote=request.remote,
        **conditions,
    )


def rule_words(given: Sequence[str]) -> tuple[str, ...]:
    """What was asked for; nothing means the core pack."""
    return tuple(given) or (CORE,)
