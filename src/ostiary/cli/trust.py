"""`ostiary trust`: put our web authority into the stores of this machine, or take it out.

It shells out to the system's own programs, and only when a person asks. Fed by `<state>/ca.pem`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from ostiary.cli import browser_store, system_store, terminal
from ostiary.cli.anchor import Anchor, Deed
from ostiary.cli.options import STATE, State

app = App(
    name="trust",
    help_epilogue="",
    help="Let this machine's browsers trust our certificates, or no longer.",
)
System = Annotated[bool, Parameter(name="--system", help="The system's store (needs root).")]
Browsers = Annotated[bool, Parameter(name="--browsers", help="Chromium's and Firefox's stores.")]


@app.command
def install(*, system: System = True, browsers: Browsers = True, state: State = STATE) -> int:
    """Put our authority into the system's and the browsers' stores.

    Whoever holds the keys of the state directory can then impersonate any website to this
    machine's browsers: take it out again with `trust remove` when you are done trying.
    """
    anchor = Anchor.of(state)
    deeds = [system_store.install(anchor, Path.home())] if system else []
    return _report([*deeds, *(browser_store.install(anchor, Path.home()) if browsers else [])])


@app.command
def remove(*, system: System = True, browsers: Browsers = True, state: State = STATE) -> int:
    """Take our authority out of the system's and the browsers' stores."""
    anchor = Anchor.of(state)
    deeds = [system_store.remove(anchor, Path.home())] if system else []
    return _report([*deeds, *(browser_store.remove(anchor, Path.home()) if browsers else [])])


def _report(deeds: list[Deed]) -> int:
    """Say what was done and what was not; 1 when something was not."""
    for deed in deeds:
        mark, style = ("done", terminal.GOOD) if deed.done else ("not done", terminal.BAD)
        terminal.field(mark, deed.sentence, style)
        if deed.hint:
            terminal.say(f"  {deed.hint}", terminal.QUIET)
    return 0 if all(deed.done for deed in deeds) else 1
