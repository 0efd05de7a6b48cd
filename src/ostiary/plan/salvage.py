"""What a faulty route was probably about, read as widely as its text allows.

Fed by `first_start` with nouns that could not be read; what cannot be understood is taken to mean
everything, because the traffic is going to be closed, not opened.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, get_args

from ostiary.features.access import Method
from ostiary.language.document import Noun
from ostiary.language.patterns import host_trouble, path_trouble
from ostiary.language.route import Route
from ostiary.plan.model import PathKind, PathMatch
from ostiary.plan.routes import path_match

_HOST: Final = re.compile(r"(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)+|localhost")
_METHODS: Final = frozenset(get_args(Method))
EVERYTHING: Final = PathMatch(PathKind.PREFIX, "")


@dataclass(frozen=True)
class Salvage:
    """The requests a route may have been meant for."""

    noun: Noun[object]
    gateway: str | None
    """None: it may be any."""
    hosts: frozenset[str]
    paths: tuple[PathMatch, ...]
    """Empty when a path could not be read: the whole host is in doubt."""
    methods: tuple[str, ...] | None
    methods_known: bool


def salvage(noun: Noun[object]) -> Salvage:
    """What the text of a route still says."""
    value = noun.value
    if isinstance(value, Route):
        value = value.model_dump(include={"gateway", "host", "path", "methods"})
    data = value if isinstance(value, dict) else {}
    gateway, methods = data.get("gateway"), data.get("methods")
    paths = _words(data.get("path", "/*"))
    sound = bool(paths) and all(path_trouble(path) is None for path in paths)
    known = methods is None or (isinstance(methods, list) and set(map(str, methods)) <= _METHODS)
    return Salvage(
        noun=noun,
        gateway=gateway if isinstance(gateway, str) else None,
        hosts=hosts_in(map(str, _words(data.get("host")))),
        paths=tuple(path_match(path) for path in paths) if sound else (),
        methods=tuple(map(str, methods)) if methods and known else None,
        methods_known=known,
    )


def hosts_in(texts: Iterable[str]) -> frozenset[str]:
    """Everything in `texts` that could be a host name."""
    found = (host for text in texts for host in _HOST.findall(text.lower()))
    return frozenset(host for host in found if host_trouble(host) is None)


def _words(value: object) -> list[str]:
    if isinstance(value, list):
        return [str(word) for word in value]
    return [] if value is None else [str(value)]
