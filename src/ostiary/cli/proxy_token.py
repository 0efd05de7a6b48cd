"""`ostiary proxy-token`: what a new proxy joins with, once."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from ostiary.cli import terminal
from ostiary.cli.connection import Connection
from ostiary.cli.options import STATE, AsJson, State


def proxy_token(proxy: str, /, *, state: State = STATE, as_json: AsJson = False) -> None:
    """Make the token a new proxy joins with, once. Prints it on standard output.

    Parameters
    ----------
    proxy
        The proxy's SPIFFE id, as `ostiary status` shows it.
    """
    made = Connection.of(state).post("join-tokens", body={"proxy": proxy})
    if as_json:
        terminal.say(json.dumps(made, indent=2))
        return
    until = datetime.fromtimestamp(made["expires"], UTC)
    terminal.tell(f"for {made['proxy']}, once, until {until:%H:%M:%S} UTC; start it with")
    terminal.tell(
        f"  ostiary proxy --control-plane {made['control_plane']} --id {made['proxy']} "
        "--join-token-file FILE"
    )
    terminal.say(made["token"])
