"""`ostiary explain`: why a request passed or was refused."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any, Final

from ostiary.cli import terminal
from ostiary.cli.connection import Connection
from ostiary.cli.options import STATE, AsJson, State
from ostiary.errors import Refused

PATIENCE: Final = 2.5
"""Seconds in which a decision just made may still be on its way into the log."""
_PAUSE: Final = 0.25
_STYLES: Final = {"passed": terminal.GOOD, "asked to sign in": terminal.CARE}


def explain(decision: str, /, *, state: State = STATE, as_json: AsJson = False) -> None:
    """Say why a request passed or was refused.

    Shows which rule decided, the inputs that mattered, the smallest missing condition and what can
    be done. A request that crossed a mini gateway has two parts: the edge's and the mini gateway's.

    Parameters
    ----------
    decision
        The decision id: on every answer as x-ostiary-decision, and on every refusal page.
    """
    found = _ask(Connection.of(state), decision.strip())
    if as_json:
        terminal.say(json.dumps(found, indent=2))
        return
    for number, one in enumerate(found):
        if number:
            terminal.say()
        show(one)


def _ask(connection: Connection, decision: str) -> list[dict[str, Any]]:
    """A proxy sends its log a moment after the answer, so "not recorded" is asked again."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            found: list[dict[str, Any]] = connection.get("explain", decision)
        except Refused as error:
            if error.code != "not-recorded" or time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE)
        else:
            return found


def show(one: dict[str, Any]) -> None:
    """One explanation as text."""
    outcome = one["outcome"]
    style = _STYLES.get(outcome, terminal.BAD)
    terminal.say(f"{one['request']}  {one['code']} {outcome}", style)
    terminal.field("decided by", one["decided_by"])
    terminal.field("why", one["sentence"])
    looked_at = [f"{item['name']}: {item['value']}" for item in one["inputs"]]
    terminal.field("withdrawn", one["withdrawn"])
    terminal.field("looked at", "; ".join(looked_at))
    for number, missing in enumerate(one["missing"]):
        label = "missing" if number == 0 else "or"
        terminal.field(label, f"{missing['rule']} {missing['condition']}")
    terminal.field("remedy", one["remedy"])
    terminal.field("doubt", one["doubt"], terminal.BAD)
    terminal.field("written at", one["place"])
    terminal.field("policy", one["policy"])
    terminal.field("proxy", one["proxy"])
    when = datetime.fromtimestamp(one["time"], UTC)
    terminal.field("time", f"{when:%Y-%m-%d %H:%M:%S} UTC")
    terminal.field("decision", one["decision"])
