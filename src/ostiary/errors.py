"""Every error Ostiary raises, as one tree.

    OstiaryError
    ├── ConfigError      a person wrote something that cannot be: code, place, sentence, hint
    ├── Faults           all the ConfigErrors of one document, together
    ├── Refused          we decided "no": a credential, a join token, a snapshot, a port
    ├── Unreachable      the world is not there: a store, a control plane, a file, a proxy
    └── CompileError     our own bug: two fragments disagree, Envoy refused what we wrote

Fed by every room; feeds the command line, the admin API and `docs/reference/errors.md`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something was written: a file with a 1-based line and column."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


NOWHERE = Place("(built in)")
"""The place of what no person wrote, such as the route of the sign-in host."""


class OstiaryError(Exception):
    """The root of the tree. `str()` is one sentence fit for a terminal."""


class ConfigError(OstiaryError):
    """One fault in a document.

    `code` is stable and stands as a heading in `docs/reference/errors.md`; `message` is one
    sentence that names the thing at fault; `hint` says what to do.
    """

    def __init__(self, code: str, message: str, place: Place, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.place = place
        self.hint = hint

    def __str__(self) -> str:
        hint = f"\n  hint: {self.hint}" if self.hint else ""
        return f"{self.place}: {self.code}: {self.message}{hint}"


class Faults(OstiaryError):
    """All faults of one document, ordered by place; never empty."""

    def __init__(self, faults: Iterable[ConfigError]) -> None:
        self.faults = tuple(sorted(faults, key=lambda fault: (fault.place, fault.code)))
        if not self.faults:
            raise ValueError("Faults needs at least one fault")
        super().__init__(f"{len(self.faults)} fault(s)")

    def __iter__(self) -> Iterator[ConfigError]:
        return iter(self.faults)

    def __str__(self) -> str:
        return "\n".join(str(fault) for fault in self.faults)


class Refused(OstiaryError):
    """We decided no. `code` is stable; the sentence says what is missing and what can be done."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message if not hint else f"{message}\n  hint: {hint}")
        self.code = code
        self.message = message
        self.hint = hint


class Unreachable(OstiaryError):
    """Something outside of us did not answer. `code` is stable; the sentence names it."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message if not hint else f"{message}\n  hint: {hint}")
        self.code = code
        self.message = message
        self.hint = hint


class CompileError(OstiaryError):
    """A bug of ours: the plan was sound and yet cannot be written for Envoy."""
