"""`ostiary verdict`: trust withdrawn at once, and given back."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from ostiary.cli import terminal
from ostiary.cli.connection import Connection
from ostiary.cli.options import STATE, AsJson, State
from ostiary.cli.receipt import receipt
from ostiary.errors import Refused

app = App(
    name="verdict",
    help_epilogue="",
    help="Withdraw trust at once: every gateway enforces a verdict within milliseconds, and ends "
    "what is already open.",
)
Kind = Literal["user", "session", "device", "workload", "address", "api-key", "token", "provider"]
Effect = Literal["deny", "step-up", "limit", "score"]
Lasts = Annotated[
    str | None,
    Parameter(name="--for", show_default=False, help="How long it holds (90s, 1h, 30d): for ever."),
]
UnknownUser = Annotated[
    bool,
    Parameter(
        name="--unknown-user",
        negative=(),
        show_default=False,
        help="The user need not be a local account.",
    ),
]


@app.command
def put(
    kind: Kind,
    key: str,
    /,
    *,
    effect: Effect = "deny",
    reason: str = "administrator",
    lasts: Lasts = None,
    score: int | None = None,
    rate: str | None = None,
    why: str = "",
    unknown_user: UnknownUser = False,
    state: State = STATE,
    as_json: AsJson = False,
) -> None:
    """Put a verdict, and say which gateways enforce it.

    Parameters
    ----------
    kind
        What it is about.
    key
        Whom: a user's name, a session's id, a SPIFFE id, an address or range ...
    effect
        What is done: refuse, ask for a fresh sign-in, limit to --rate, or set the risk to --score.
    reason
        A code that the person is told: lower-case letters, digits and hyphens.
    score
        The risk, 0 to 100, for rules that say `risk`.
    rate
        How many requests in what time: 10/m.
    why
        In words, for the audit log; nobody else sees it.
    """
    body: dict[str, Any] = {
        "kind": kind,
        "key": key,
        "effect": effect,
        "reason": reason,
        "lasts": lasts,
    }
    body |= {"score": score, "rate": rate, "why": why, "unknown_user": unknown_user}
    given = Connection.of(state).post("verdicts", body=body)
    if as_json:
        terminal.say(json.dumps(given, indent=2))
        return
    terminal.say(given["verdict"]["id"])
    receipt(given["reached"])


@app.command(name="list")
def list_verdicts(*, state: State = STATE, as_json: AsJson = False) -> None:
    """List the verdicts that hold, the newest first."""
    found = Connection.of(state).get("verdicts")
    if as_json:
        terminal.say(json.dumps(found, indent=2))
    elif not found:
        terminal.tell("no verdict holds")
    else:
        terminal.table(_line(one) for one in found)


@app.command
def lift(first: str, key: str | None = None, /, *, why: str = "", state: State = STATE) -> None:
    """Lift a verdict by its id, or all about one key: `lift user ada`.

    Parameters
    ----------
    first
        The verdict's id, or the kind of KEY.
    key
        Whom the verdicts are about.
    why
        In words, for the audit log.
    """
    connection = Connection.of(state)
    ids = [first]
    if key is not None:
        ids = [one["id"] for one in connection.get("verdicts", kind=first, key=key)]
        if not ids:
            raise Refused(
                "verdict-unknown",
                f"no verdict about the {first} {key!r} holds",
                "`ostiary verdict list` names them all",
            )
    reached: Mapping[str, Any] = {}
    for one in ids:
        reached = connection.delete("verdicts", one, why=why)
        terminal.tell(f"lifted {one}")
    receipt(reached)


def _line(one: Mapping[str, Any]) -> list[str]:
    effect = one["effect"]
    if effect == "score":
        effect = f"score {one['score']}"
    elif effect == "limit":
        effect = f"limit {one['rate']} in {one['per']:g} s"
    until = f"until {_clock(one['expires'])}" if one["expires"] else ""
    return [one["id"], one["kind"], one["key"], effect, one["reason"], _clock(one["since"]), until]


def _clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
