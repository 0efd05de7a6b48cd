"""The document: all that a person wrote in one or many files, in the long form.

Made by `read`; `plan.resolve` says what it means.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from ostiary.errors import Place
from ostiary.language.gateway import Gateway
from ostiary.language.identity import Provider
from ostiary.language.issuers import Issuer
from ostiary.language.route import Route
from ostiary.language.service import Service
from ostiary.language.sessions import Sessions
from ostiary.language.tree import Path, Tree

NOTHING: Mapping[str, Any] = {}
"""A section that nobody wrote; one value, so that unchanged sections stay identical."""
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, eq=False)
class Noun(Generic[T_co]):
    """A named thing and where it was written. Compared by identity: equal means unchanged."""

    kind: str
    """`route`, `service`, `gateway`, `provider`, `issuer`, `sessions`, `trust_domain`."""
    name: str
    value: T_co
    tree: Tree
    path: Path

    def __str__(self) -> str:
        return f"{self.kind} {self.name}" if self.name else self.kind

    @property
    def place(self) -> Place:
        """Where its name stands."""
        return self.tree.place(self.path)

    def at(self, *steps: str | int) -> Place:
        """Where the key below it stands, or the nearest part above that was written."""
        return self.tree.place(self.path + steps)


@dataclass(frozen=True, eq=False)
class Document:
    """Everything written, by kind and name. An unchanged section stays the same object."""

    gateways: Mapping[str, Noun[Gateway]] = field(default_factory=lambda: NOTHING)
    services: Mapping[str, Noun[Service]] = field(default_factory=lambda: NOTHING)
    routes: Mapping[str, Noun[Route]] = field(default_factory=lambda: NOTHING)
    providers: Mapping[str, Noun[Provider]] = field(default_factory=lambda: NOTHING)
    issuers: Mapping[str, Noun[Issuer]] = field(default_factory=lambda: NOTHING)
    sessions: Noun[Sessions] | None = None
    trust_domain: Noun[str] | None = None
    broken: tuple[Noun[object], ...] = ()
    """Nouns with faults, as raw data; only a lenient reading keeps them. One of kind `file` is a
    whole file, its value the text that could be read."""
