"""How we speak on a terminal: plain lines, colours only where a person watches.

Text that came from a request is made harmless here: no control character reaches the terminal.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Console
from rich.text import Text

from ostiary.cli.harmless import harmless
from ostiary.errors import ConfigError, Faults, OstiaryError

BAD: Final = "bold red"
GOOD: Final = "bold green"
CARE: Final = "yellow"
QUIET: Final = "dim"
_LABEL: Final = 12


def _out() -> Console:
    return Console(highlight=False, markup=False, emoji=False, soft_wrap=True)


def _err() -> Console:
    return Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)


def say(text: str = "", style: str = "") -> None:
    """One line on standard output."""
    _out().print(Text(harmless(text), style))


def tell(text: str, style: str = "") -> None:
    """One line on standard error: about what we do, not the answer itself."""
    _err().print(Text(harmless(text), style))


def field(label: str, value: str, style: str = "") -> None:
    """`  label        value`, if there is a value."""
    if value:
        line = Text(f"  {label:<{_LABEL}} ", QUIET)
        _out().print(line.append(harmless(value), style or "not dim"))


def table(rows: Iterable[Sequence[str]]) -> None:
    """Rows in columns as wide as their widest cell."""
    lines = [[harmless(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        _out().print(Text("  " + "  ".join(cells).rstrip()))


def error(problem: OstiaryError) -> None:
    """`problem` on standard error: places, codes and hints, never a traceback."""
    if isinstance(problem, Faults):
        for fault in problem:
            error(fault)
    elif isinstance(problem, ConfigError):
        fault_line(_err(), problem)
    else:
        sentence, *more = str(problem).split("\n")
        _err().print(Text("error: ", BAD).append(harmless(sentence), "not bold default"))
        for line in more:
            _err().print(Text(harmless(line), QUIET))


def fault(problem: ConfigError) -> None:
    """`problem` on standard output, for a command whose answer it is."""
    fault_line(_out(), problem)


def fault_line(console: Console, problem: ConfigError) -> None:
    """`file:line:column: code: sentence` and the hint below."""
    line = Text(f"{problem.place}: ", "bold").append(f"{problem.code}: ", BAD)
    console.print(line.append(harmless(problem.message), "not bold default"))
    if problem.hint:
        console.print(Text(f"  hint: {harmless(problem.hint)}", QUIET))


def interactive() -> bool:
    """Whether a person can answer a question."""
    return sys.stdin.isatty() and sys.stderr.isatty()
