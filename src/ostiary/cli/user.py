"""`ostiary user`: local accounts."""

from __future__ import annotations

import getpass
import json
import secrets
import sys
from typing import Annotated

from cyclopts import App, Parameter

from ostiary.cli import terminal
from ostiary.cli.connection import Connection
from ostiary.cli.options import STATE, AsJson, State
from ostiary.cli.receipt import receipt
from ostiary.errors import Refused

app = App(name="user", help_epilogue="", help="Local accounts: add, list, disable, enable.")
Groups = Annotated[
    list[str] | None,
    Parameter(
        name="--group",
        negative=(),
        show_default=False,
        help="A group of the account; may be given again.",
    ),
]
FromStdin = Annotated[
    bool,
    Parameter(
        name="--password-stdin",
        negative=(),
        show_default=False,
        help="Read the password from standard input.",
    ),
]
Generate = Annotated[
    bool,
    Parameter(
        name="--generate",
        negative=(),
        show_default=False,
        help="Make a password and print it, this once.",
    ),
]


@app.command
def add(
    name: str,
    /,
    *,
    email: str = "",
    groups: Groups = None,
    password_stdin: FromStdin = False,
    generate: Generate = False,
    state: State = STATE,
) -> None:
    """Add a local account. The password is asked for, unless an option says otherwise.

    Parameters
    ----------
    name
        What the person types at sign-in, and what `users:` of a rule names.
    email
        The e-mail address, for rules about users and e-mail domains.
    """
    connection = Connection.of(state)
    password = _password(from_stdin=password_stdin, generate=generate)
    body = {"name": name, "email": email, "groups": groups or [], "password": password}
    connection.post("users", body=body)
    terminal.tell(f"added {name}")
    if generate:
        terminal.say(password)


@app.command(name="list")
def list_users(*, state: State = STATE, as_json: AsJson = False) -> None:
    """List the local accounts."""
    found = Connection.of(state).get("users")
    if as_json:
        terminal.say(json.dumps(found, indent=2))
    elif not found:
        terminal.tell("there is no account yet: ostiary user add NAME")
    else:
        terminal.table(
            (
                user["name"],
                user["email"],
                ", ".join(user["groups"]),
                "disabled" if user["disabled"] else "",
            )
            for user in found
        )


@app.command
def disable(name: str, /, *, state: State = STATE) -> None:
    """Disable a local account: it cannot sign in, its sessions end, and so do its open pages.

    Where the gateways have no guard, a token issued before lives on until it expires, 60 seconds
    at most unless the document says otherwise.

    Parameters
    ----------
    name
        The account's name.
    """
    reached = Connection.of(state).post("users", name, "disable")
    terminal.tell(f"disabled {name}")
    receipt(reached)


@app.command
def enable(name: str, /, *, state: State = STATE) -> None:
    """Let a disabled account sign in again. Its ended sessions stay ended.

    Parameters
    ----------
    name
        The account's name.
    """
    reached = Connection.of(state).post("users", name, "enable")
    terminal.tell(f"enabled {name}")
    receipt(reached)


def _password(*, from_stdin: bool, generate: bool) -> str:
    if from_stdin and generate:
        raise Refused(
            "password-twice",
            "--password-stdin and --generate exclude each other",
            "give one of them, or neither to be asked",
        )
    if generate:
        return secrets.token_urlsafe(12)
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not terminal.interactive():
        raise Refused(
            "password-missing",
            "there is no terminal to ask for the password on",
            "pipe it in with --password-stdin, or let us make one with --generate",
        )
    password = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != password:
        raise Refused("password-differs", "the two passwords differ", "try again")
    return password
