"""`ostiary status`: proxies, the accepted revision and what is red."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from ostiary.cli import terminal
from ostiary.cli.connection import Connection
from ostiary.cli.options import STATE, AsJson, State


def status(*, state: State = STATE, as_json: AsJson = False) -> None:
    """Show proxies, the accepted revision and what is red.

    The exit code says only whether the control plane answered; read `red` of --json in scripts.
    """
    found = Connection.of(state).get("status")
    if as_json:
        terminal.say(json.dumps(found, indent=2))
    else:
        show(found)


def show(found: dict[str, Any]) -> None:
    """The status as text."""
    if found["red"]:
        terminal.say("red", terminal.BAD)
    else:
        terminal.say("green", terminal.GOOD)
    for red in found["red"]:
        terminal.say(f"  {red['place']}: {red['code']}: {red['message']}", terminal.BAD)
        if red["hint"]:
            terminal.say(f"    hint: {red['hint']}", terminal.QUIET)
    for warning in found["warnings"]:
        terminal.say(f"  warning: {warning}", terminal.CARE)
    terminal.field("revision", _revision(found["revision"]))
    terminal.field("log", _log(found["log"]))
    _gateways(found["gateways"])
    _proxies(found["proxies"])


def _revision(revision: dict[str, Any] | None) -> str:
    if revision is None:
        return "none: no document has been accepted yet"
    when = datetime.fromtimestamp(revision["time"], UTC)
    return f"{revision['number']} ({revision['hash'][:12]}), {when:%Y-%m-%d %H:%M:%S} UTC"


def _log(log: dict[str, int]) -> str:
    dropped = f", {log['dropped']} dropped" if log["dropped"] else ""
    return f"{log['written']} decisions written, {log['kept']} kept{dropped}"


def _gateways(gateways: list[dict[str, Any]]) -> None:
    if not gateways:
        return
    terminal.say("gateways", "bold")
    terminal.table(
        (gateway["name"], address["listener"], f"{address['host']}:{address['port']}")
        for gateway in gateways
        for address in gateway["addresses"]
    )


def _proxies(proxies: list[dict[str, Any]]) -> None:
    if not proxies:
        return
    terminal.say("proxies", "bold")
    terminal.table(
        (
            proxy["id"],
            "connected" if proxy["connected"] else "away",
            f"revision {proxy['revision']}" if proxy["revision"] is not None else "no revision",
            _guard(proxy["guard"]),
        )
        for proxy in proxies
    )


def _guard(guard: dict[str, Any] | None) -> str:
    if guard is None:
        return ""
    late = "" if guard["current"] else f", {guard['behind']:.0f} s behind"
    return f"verdicts up to {guard['applied']}, {guard['entries']} held{late}"
