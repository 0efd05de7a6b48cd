"""`ostiary proxy`: run one proxy on this machine, for a control plane elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ostiary.cli import terminal
from ostiary.cli.options import STATE, State
from ostiary.errors import Refused

ControlPlane = Annotated[
    str,
    Parameter(name="--control-plane", help="HOST:PORT, as `ostiary proxy-token` printed it."),
]
Id = Annotated[str, Parameter(name="--id", help="The SPIFFE id that the join token is for.")]
JoinToken = Annotated[
    str | None,
    Parameter(
        name="--join-token",
        env_var="OSTIARY_JOIN_TOKEN",
        show_env_var=True,
        help="The token itself; other users can read a command line, so rather use the file.",
    ),
]
JoinTokenFile = Annotated[
    Path | None, Parameter(name="--join-token-file", help="A file that holds the token.")
]


def proxy(
    *,
    control_plane: ControlPlane,
    id_: Id,
    join_token: JoinToken = None,
    join_token_file: JoinTokenFile = None,
    state: State = STATE,
) -> None:
    """Run one proxy on this machine, for a control plane elsewhere.

    The first start needs a join token (`ostiary proxy-token ID` at the control plane); afterwards
    the proxy renews its own certificate, and serves its last good configuration while the control
    plane is away. Ends on Ctrl-C.
    """
    from ostiary.app.agent import run_standalone  # noqa: PLC0415  the shells are loaded for this

    token = _token(join_token, join_token_file)
    run_standalone(control_plane, id_, token, state, terminal.say)


def _token(given: str | None, file: Path | None) -> str | None:
    """None: this proxy has joined before."""
    if given is not None and file is not None:
        raise Refused(
            "join-token-twice",
            "--join-token and --join-token-file exclude each other",
            "give one of them",
        )
    if file is None:
        return given
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(
            "join-token-unreadable",
            f"the join token cannot be read from {file}: {error}",
            "write the token of `ostiary proxy-token ID` into that file",
        ) from error
