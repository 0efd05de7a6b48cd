"""`ostiary effective`: a route with every level and default in."""

from __future__ import annotations

import json
from typing import Any

from ostiary.cli import terminal
from ostiary.cli.connection import Connection
from ostiary.cli.options import STATE, AsJson, State


def effective(route: str, /, *, state: State = STATE, as_json: AsJson = False) -> None:
    """Show a route of the accepted revision with every level and default in.

    Parameters
    ----------
    route
        The route's name, or tenant/namespace/name.
    """
    found = Connection.of(state).get("effective", route)
    if as_json:
        terminal.say(json.dumps(found, indent=2))
    else:
        show(found)


def show(found: dict[str, Any]) -> None:
    """The route as text."""
    terminal.say(f"route {found['route']}", "bold")
    terminal.field("written at", found["place"])
    terminal.field("gateway", f"{found['gateway']}, listener {found['listener']}")
    terminal.field("hosts", ", ".join(found["hosts"]))
    terminal.field("paths", ", ".join(found["paths"]))
    terminal.field("methods", ", ".join(found["methods"]) or "all")
    terminal.field("to", found["to"])
    terminal.field("sign-in", found["sign_in"])
    terminal.field("denied", found["denied"], terminal.BAD)
    if not found["access"]:
        terminal.field("access", "none: nobody may pass", terminal.BAD)
    for owner, rules in found["access"].items():
        terminal.field("access", f"of {owner}: every request must pass one `allow` and no `deny`")
        for rule in rules:
            terminal.field("", rule)
    for name, block in found["blocks"].items():
        terminal.field(name, json.dumps(block))
        for part, origin in found["origins"].items():
            if part.split(".")[0] == name:
                terminal.field("", f"{part} comes from {origin}", terminal.QUIET)
    terminal.field("policy", found["policy"])
