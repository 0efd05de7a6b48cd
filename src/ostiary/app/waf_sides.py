"""The two sides of a replay: rules by their words, or a document with its routes and exclusions.

Fed by `waf_rules`, and by the rooms that read documents; feeds `ostiary waf replay` and `tune`.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from ostiary.app import waf_rules
from ostiary.app.rule_book import rule_book
from ostiary.errors import Refused
from ostiary.features.waf import Inspection
from ostiary.language.read import Reader
from ostiary.plan.match import match, path_match, path_matches
from ostiary.plan.model import Plan, Route
from ostiary.plan.resolve import Resolver
from ostiary.proxy.guard import installed
from ostiary.sources.files import Files
from ostiary.waf.differences import Decision, Judge
from ostiary.waf.traffic import Entry

_DOCUMENTS: Final = (".yaml", ".yml")
_NOT_INSPECTED: Final = Decision(stopped=False, score=0, rules=())


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Rules that do not hold somewhere, as the engine and a path pattern say it."""

    rules: tuple[str, ...]
    """Numbers, ranges or `tag:NAME`."""
    targets: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    """`/x` or `/x/*`; none means everywhere."""

    def holds(self, path: str) -> bool:
        """Whether it counts for requests of `path`."""
        return not self.paths or any(path_matches(path_match(one), path) for one in self.paths)


@dataclass(frozen=True, slots=True)
class How:
    """How rules are applied where no document says it."""

    paranoia: int = 1
    threshold: int = 5
    body_limit: int = 128 << 10
    exclude: tuple[Exclusion, ...] = ()


def is_document(word: str) -> bool:
    """Whether `word` names documents, and not rules."""
    path = Path(word)
    if path.is_dir():
        return any(one.suffix in _DOCUMENTS for one in path.iterdir())
    return path.suffix in _DOCUMENTS


def side(word: str, how: How) -> Judge:
    """A judge for `core`, `core,own.conf` or `gateway.yaml`. Raises `Refused` or `Faults`."""
    if is_document(word):
        return document_side(Path(word))
    files = waf_rules.read([one for one in word.split(",") if one], Path())
    compiled = waf_rules.plan(files, mode="block", paranoia=how.paranoia)
    _sound(compiled, how.exclude)
    limits = {"threshold": how.threshold, "body_limit": how.body_limit}
    return lambda entry: _asked(compiled, entry, how.exclude, limits)


def _sound(compiled: Any, exclude: Sequence[Exclusion]) -> None:
    for one in exclude:
        try:
            compiled.excluded(list(one.rules), list(one.targets))
        except ValueError as error:
            hint = "write it as '941100 ARGS:comment /notes/*'"
            raise Refused("exclusion-faulty", str(error), hint) from error


def document_side(path: Path) -> Judge:
    """A judge that applies to each request what the document says for its route.

    Shadow mode is judged as if it blocked: what rules would stop is the question.
    """
    found = _Document(plan_of(path))
    return found.judge


def plan_of(path: Path) -> Plan:
    """The plan of documents, with today's exclusions. Raises `Faults`."""
    waf_rules.engine()
    document = Reader().read(Files((path,)).read())
    resolver = Resolver(guard=installed(), book=rule_book())
    return resolver.resolve(document, datetime.now(UTC).date(), saved=False)


@dataclass
class _Document:
    """A plan whose rule sets are compiled when a request first needs them."""

    plan: Plan
    _compiled: dict[tuple[str, int, str], Any] = field(default_factory=dict)

    def judge(self, entry: Entry) -> Decision:
        route = self._route(entry)
        block = route.blocks.get("waf") if route else None
        if not isinstance(block, Inspection):
            return _NOT_INSPECTED
        exclude = [
            Exclusion(
                tuple(map(str, one.rules)), (one.target,) if one.target else (), tuple(one.paths)
            )
            for one in block.exclude
        ]
        limits: dict[str, Any] = {"threshold": block.threshold, "body_limit": block.body_limit}
        if block.budget is not None:
            limits["budget"] = block.budget
        return _asked(self._rules(block), entry, exclude, limits)

    def _rules(self, block: Inspection) -> Any:
        key = block.rule_set.name, block.paranoia, block.exhausted
        if key not in self._compiled:
            tree = _unpacked(block.rule_set.packed)
            sources = [(one["name"], one["text"]) for one in tree["sources"]]
            made = waf_rules.engine().RuleSet(sources, tree["data"], block.rule_set.core)
            self._compiled[key] = waf_rules.engine().Plan(
                made, mode="block", paranoia=block.paranoia, exhausted=block.exhausted
            )
        return self._compiled[key]

    def _route(self, entry: Entry) -> Route | None:
        """The route that the log names; for traffic of elsewhere the one that would answer."""
        name = entry.route.partition("@")[0]
        routes = self.plan.routes
        named = next((one for one in routes if name and one.key.path == name), None)
        if named is not None:
            return named
        host = entry.host.rpartition(":")[0] if ":" in entry.host else entry.host
        for gateway, listener in dict.fromkeys((one.gateway, one.listener) for one in routes):
            found = match(self.plan, gateway, listener, host.lower(), entry.path, entry.method)
            if found is not None:
                return found
        return None


def _unpacked(packed: str) -> dict[str, Any]:
    if not packed:
        return {"sources": [], "data": {}}
    found: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(packed)))
    return found


def _asked(
    compiled: Any, entry: Entry, exclude: Sequence[Exclusion], limits: dict[str, Any]
) -> Decision:
    """What compiled rules say about a recorded request."""
    if entry.request is None:
        return _NOT_INSPECTED
    path = entry.path or entry.request.path
    held = [(list(one.rules), list(one.targets)) for one in exclude if one.holds(path)]
    found = waf_rules.inspect(compiled, entry.request, exclude=held, **limits)
    seen = [one for one in found.matches if one.logged]
    return Decision(
        found.interrupted,
        found.score,
        tuple(one.id for one in seen),
        tuple(one.place for one in seen),
    )
