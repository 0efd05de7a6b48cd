"""The command line: one file per command, and the only room that reads the environment."""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command in `arguments` (default: of this process) and exit with its code."""
    from ostiary.cli.program import main as run  # noqa: PLC0415  a long run does without it

    run(arguments)
