"""`ostiary audit`: who withdrew trust from whom, and why."""

from __future__ import annotations

import json
import time
from typing import Annotated

from cyclopts import Parameter

from ostiary.cli import terminal
from ostiary.cli.connection import Connection
from ostiary.cli.options import STATE, AsJson, State

Limit = Annotated[int, Parameter(help="How many entries at most.")]


def audit(
    verdict: str = "", /, *, limit: Limit = 50, state: State = STATE, as_json: AsJson = False
) -> None:
    """Show who withdrew trust from whom, and why; the newest first.

    Parameters
    ----------
    verdict
        Only what became of this verdict.
    """
    query = {"verdict": verdict} if verdict else {}
    found = Connection.of(state).get("audit", limit=str(limit), **query)
    if as_json:
        terminal.say(json.dumps(found, indent=2))
    elif not found:
        terminal.tell("nothing was withdrawn yet")
    else:
        terminal.table(
            (
                time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one["time"])),
                one["who"],
                one["deed"],
                f"{one['kind']} {one['key']}",
                one["effect"],
                one["reason"],
                one["why"],
            )
            for one in found
        )
