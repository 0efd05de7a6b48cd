"""`ostiary key`: API keys of programs. A key is shown once, when it is made."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Annotated, Any

from cyclopts import App, Parameter

from ostiary.cli import terminal
from ostiary.cli.connection import Connection
from ostiary.cli.options import STATE, AsJson, State
from ostiary.cli.receipt import receipt

app = App(name="key", help_epilogue="", help="API keys of programs: create, list, rotate, revoke.")


@app.command
def create(
    name: str,
    /,
    *,
    owner: str = "",
    group: Annotated[list[str] | None, Parameter(negative="")] = None,
    scope: Annotated[list[str] | None, Parameter(negative="")] = None,
    lasts: Annotated[str | None, Parameter(name="--for")] = None,
    state: State = STATE,
    as_json: AsJson = False,
) -> None:
    """Make an API key and show it, this once.

    Parameters
    ----------
    name
        What it is for; a service's own key comes in as key:NAME.
    owner
        The account whose key it is: it may what the account may, for as long as it may.
    group
        A group of a service's own key; again for more.
    scope
        What it is good for; again for more.
    lasts
        How long it works, such as 90d; not given: until it is revoked.
    """
    body: dict[str, Any] = {"name": name, "owner": owner, "lasts": lasts}
    body |= {"groups": group or [], "scopes": scope or []}
    _show(Connection.of(state).post("keys", body=body), as_json=as_json)


@app.command(name="list")
def list_keys(*, state: State = STATE, as_json: AsJson = False) -> None:
    """List the keys that were not revoked, the newest first."""
    found = Connection.of(state).get("keys")
    if as_json:
        terminal.say(json.dumps(found, indent=2))
    elif not found:
        terminal.tell("there is no API key")
    else:
        terminal.table(
            (one["id"], one["name"], one["user"], " ".join(one["groups"]), _end(one["expires"]))
            for one in found
        )


@app.command
def rotate(
    name: str, /, *, overlap: str = "1h", state: State = STATE, as_json: AsJson = False
) -> None:
    """Make the successor of a key and show it; the old one works a while longer.

    Parameters
    ----------
    name
        The old key's id, as `ostiary key list` says it.
    overlap
        How long the old key still works.
    """
    made = Connection.of(state).post("keys", name, "rotate", body={"overlap": overlap})
    _show(made, as_json=as_json)


@app.command
def revoke(name: str, /, *, state: State = STATE) -> None:
    """Revoke a key: it opens nothing any more, and what it opened ends.

    Parameters
    ----------
    name
        The key's id, as `ostiary key list` says it.
    """
    reached = Connection.of(state).delete("keys", name)
    terminal.tell(f"revoked {name}")
    receipt(reached)


def _show(made: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        terminal.say(json.dumps(made, indent=2))
        return
    terminal.say(made["text"])
    terminal.tell(f"the key {made['key']['id']}; it is not shown again", terminal.CARE)
    receipt(made["reached"])


def _end(expires: float | None) -> str:
    if expires is None:
        return "until revoked"
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(expires))
