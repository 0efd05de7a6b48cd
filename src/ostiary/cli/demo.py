"""`ostiary demo`: protect a small real application and say what to try."""

from __future__ import annotations

from ostiary.cli import terminal
from ostiary.cli.loading import without_collection
from ostiary.cli.options import STATE, State


def demo(*, state: State = STATE) -> None:
    """Protect a small real application and say what to try.

    Starts the control plane, the sign-in host, an edge gateway, a notes application and its mini
    gateway, all on this machine only, and prints addresses and passwords. When everything answers,
    it writes demo.json in the state directory and says "ready". Ends on Ctrl-C.
    """
    with without_collection():
        from ostiary.app.demo import demo as run  # noqa: PLC0415  the whole house, for this only

    run(state, terminal.say)
