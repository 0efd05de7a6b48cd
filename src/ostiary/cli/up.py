"""`ostiary up`: run a gateway from documents."""

from __future__ import annotations

from pathlib import Path

from ostiary.cli import terminal
from ostiary.cli.loading import without_collection
from ostiary.cli.options import STATE, State


def up(documents: list[Path], /, *, state: State = STATE) -> None:
    """Run a gateway from documents: control plane, sign-in and every proxy.

    Files and folders together are one document and are watched: a saved file applies at once, a
    faulty one changes nothing and is reported. Ends on Ctrl-C, with every process it started.

    Parameters
    ----------
    documents
        Files, or folders whose *.yaml files are read.
    """
    with without_collection():
        from ostiary.app.up import up as run  # noqa: PLC0415  the whole house, for this only

    run(tuple(documents), state, terminal.say)
