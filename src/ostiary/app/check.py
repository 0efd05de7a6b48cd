"""`ostiary check`: all that is wrong with documents, without running anything.

Fed by the command line; the same rooms as the pipeline, up to the compiler. Not `pipeline` itself:
that brings the store and gRPC, and a check would take twice as long.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from ostiary.app.rule_book import rule_book
from ostiary.compiler.compile import compile as compile_plan
from ostiary.compiler.lint import lint
from ostiary.compiler.world import Address, World
from ostiary.errors import ConfigError, Faults
from ostiary.language.read import Reader
from ostiary.plan.resolve import Resolver
from ostiary.proxy.guard import installed
from ostiary.sources.files import Files

_NOWHERE = Address("127.0.0.1", 1)
_NO_KEYS = '{"keys":[]}'


def check(documents: tuple[Path, ...]) -> tuple[tuple[ConfigError, ...], tuple[str, ...]]:
    """Every fault and every warning; `Refused` when a named file is not there at all."""
    guard = installed()
    try:
        document = Reader().read(Files(documents).read())
        plan = Resolver(guard=guard, book=rule_book()).resolve(document, datetime.now(UTC).date())
    except Faults as faults:
        return faults.faults, ()
    for view in compile_plan(plan, World(_NOWHERE, _NOWHERE, _NO_KEYS, guard=guard)).views.values():
        lint(view)
    return (), plan.warnings
