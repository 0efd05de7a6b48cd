"""`ostiary check`: all that is wrong with documents."""

from __future__ import annotations

from pathlib import Path

from ostiary.cli import terminal


def check(documents: list[Path], /) -> int:
    """Say all that is wrong with documents, and change nothing.

    Needs no running control plane. Every fault is printed as `file:line:column: code: sentence`
    with a hint; the exit code is 1 if there is any. Warnings alone leave it 0.

    Parameters
    ----------
    documents
        Files, or folders whose *.yaml files are read; together they are one document.
    """
    from ostiary.app.check import check as examine  # noqa: PLC0415  needs the compiler

    faults, warnings = examine(tuple(documents))
    for fault in faults:
        terminal.fault(fault)
    for warning in warnings:
        terminal.say(f"warning: {warning}", terminal.CARE)
    if faults:
        terminal.tell(_count(len(faults), "fault"), terminal.BAD)
    else:
        terminal.tell("sound" + (f", {_count(len(warnings), 'warning')}" if warnings else ""))
    return 1 if faults else 0


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
