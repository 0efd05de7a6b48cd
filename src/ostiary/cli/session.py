"""`ostiary session`: who is signed in, and ending it."""

from __future__ import annotations

import json
import time

from cyclopts import App

from ostiary.cli import terminal
from ostiary.cli.connection import Connection
from ostiary.cli.options import STATE, AsJson, State
from ostiary.cli.receipt import receipt

app = App(name="session", help_epilogue="", help="Open sessions: list, kill.")


@app.command(name="list")
def list_sessions(account: str = "", /, *, state: State = STATE, as_json: AsJson = False) -> None:
    """List the sessions that were not ended, the newest first.

    Parameters
    ----------
    account
        Only those of this account.
    """
    query = {"account": account} if account else {}
    found = Connection.of(state).get("sessions", **query)
    if as_json:
        terminal.say(json.dumps(found, indent=2))
    elif not found:
        terminal.tell("nobody is signed in")
    else:
        terminal.table(
            (
                one["sid"],
                one["account"],
                one["provider"],
                time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one["created"])),
            )
            for one in found
        )


@app.command
def kill(sid: str, /, *, state: State = STATE) -> None:
    """End one session on every application, and the pages that are open in it.

    Parameters
    ----------
    sid
        The session's id, as `ostiary session list` says it.
    """
    reached = Connection.of(state).delete("sessions", sid)
    terminal.tell(f"ended {sid}")
    receipt(reached)
