"""A program of its own: becomes another program that the kernel kills when our agent dies.

What it makes is nobody else's to read: its logs tell what people sent.

Run as `python -I -S leash.py PARENT PROGRAM ARGUMENT...`. PROGRAM may be `env`. It runs
before Envoy in the same process (and not in a forked copy of the agent, whose threads and locks
would be in an unknown state).
"""

import ctypes
import os
import signal
import sys

_OURS_ALONE = 0o077
_SET_PARENT_DEATH_SIGNAL = 1  # prctl(2); survives exec


def main(parent: int, command: list[str]) -> None:
    """Becomes `command`, on the leash of `parent`."""
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    os.umask(_OURS_ALONE)
    if os.getppid() != parent:  # it died before we were on the leash
        sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606  becoming another program is the purpose


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
