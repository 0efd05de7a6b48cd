"""`ostiary` itself: which commands there are, and what becomes of an error.

A command's file is imported only when the command is called, so that `ostiary --help` and
`ostiary explain` start at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Final

from cyclopts import App, Argument, CycloptsError, MissingArgumentError, UnusedCliTokensError
from rich.text import Text

from ostiary.cli import terminal
from ostiary.cli.harmless import harmless
from ostiary.errors import OstiaryError

OK, FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130
_EPILOGUE: Final = """\
Commands find the running control plane through admin.json in the state directory (--state, or \
OSTIARY_STATE).

Exit codes: 0 done; 1 refused, not found, faulty or not running (the sentence says which); \
2 wrong usage; 130 interrupted. NO_COLOR turns colours off."""
_COMMANDS: Final = (
    ("up", "up:up", "Run a gateway from documents: control plane, sign-in and every proxy."),
    ("demo", "demo:demo", "Protect a small real application and say what to try."),
    ("check", "check:check", "Say all that is wrong with documents, and change nothing."),
    ("status", "status:status", "Show proxies, the accepted revision and what is red."),
    ("explain", "explain:explain", "Say why a request passed or was refused."),
    ("effective", "effective:effective", "Show a route with every level and default in."),
    ("user", "user:app", "Local accounts: add, list, disable, enable."),
    ("key", "key:app", "API keys of programs: create, list, rotate, revoke."),
    ("verdict", "verdict:app", "Withdraw trust at once: put, list, lift."),
    ("session", "session:app", "Open sessions: list, kill."),
    ("audit", "audit:audit", "Show who withdrew trust from whom, and why."),
    ("proxy", "proxy:proxy", "Run one proxy on this machine, for a control plane elsewhere."),
    ("proxy-token", "proxy_token:proxy_token", "Make the token a new proxy joins with, once."),
    (
        "waf",
        "waf:app",
        "Rules that look into requests: test, explain, lint, install-crs, replay, tune.",
    ),
    ("trust", "trust:app", "Let this machine's browsers trust our certificates, or no longer."),
)


def program(asked: str = "") -> App:
    """The program, with every command known by name.

    The list of commands has a line for each; `asked`, the one that is called, brings its own page.
    """
    app = App(
        name="ostiary",
        help="Ostiary, the keeper of your doors: a gateway that asks who, decides and says why.",
        help_epilogue=_EPILOGUE,
        version=lambda: version("ostiary"),
        result_action="return_value",
        error_formatter=_usage,
    )
    for name, where, sentence in _COMMANDS:
        words = {} if name == asked else {"help": sentence}
        quiet = {} if where.endswith(":app") else {"help_epilogue": ""}
        app.command(f"ostiary.cli.{where}", name=name, **words, **quiet)
    return app


def _usage(error: CycloptsError) -> Text:
    command = " ".join(["ostiary", *(error.command_chain or ())])
    match error:
        case MissingArgumentError(keyword=str(option)):
            sentence = f"{option} needs a value"
        case MissingArgumentError(argument=Argument(name=name)):
            sentence = f"`{command}` needs {name}"
        case UnusedCliTokensError(unused_tokens=[token, *_]):
            sentence = f"`{command}` does not know what to do with {token!r}"
        case _:
            sentence = str(error)
    line = Text("error: ", terminal.BAD).append(harmless(sentence), "not bold default")
    return line.append(f"\n  hint: {command} --help says how it is used", terminal.QUIET)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command in `arguments` (default: of this process) and exit with its code."""
    # gRPC writes to the terminal by itself, and watches forks it need not care about: we fork
    # before any channel exists. Both must be said before it is imported.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    try:
        words = list(sys.argv[1:] if arguments is None else arguments)
        code = program(words[0] if words else "")(words)
    except OstiaryError as error:
        terminal.error(error)
        code = FAILED
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader (`| head`) has what it wanted
        code = OK
    sys.exit(code if isinstance(code, int) else OK)
