"""`ostiary demo`: protect a small real application and say what to try."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

from ostiary.cli.long_run import become
from ostiary.cli.options import STATE, State


def demo(*, state: State = STATE) -> None:
    """Protect a small real application and say what to try.

    Starts the control plane, the sign-in host, an edge gateway, a notes application and its mini
    gateway, all on this machine only, and prints addresses and passwords. When everything answers,
    it writes demo.json in the state directory and says "ready". Ends on Ctrl-C.
    """
    become("demo", state=str(state), called=called())


def called() -> str:
    """What a person types to call this very program: its name if a shell finds it, or its path."""
    program = Path(sys.argv[0])
    found = shutil.which(program.name)
    return program.name if found and program.samefile(found) else shlex.quote(str(program))
