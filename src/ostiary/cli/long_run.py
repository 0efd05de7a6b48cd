"""The commands that stay: `up` and `demo`, in a process that has forgotten the option parser.

What the supervisor has loaded stays in the memory of every process it forks, and the parser with
its colours is 9 MiB of it. So the command line replaces itself by this module, under the same pid,
and hands over what it understood as JSON. Nothing here may import `program` or `terminal`.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NoReturn

from ostiary.cli.harmless import harmless
from ostiary.errors import OstiaryError
from ostiary.supervisor.kernel import name_process

FAILED: Final = 1
INTERRUPTED: Final = 130


def become(command: str, **options: Any) -> NoReturn:
    """This process is the long run of `command` from now on; it keeps its pid."""
    sys.stdout.flush()
    sys.stderr.flush()
    words = json.dumps({"command": command, **options})
    # -P: the current folder is no place to import from.
    os.execv(sys.executable, [sys.executable, "-P", "-m", "ostiary.cli.long_run", words])  # noqa: S606  ourselves


def main() -> None:
    """Run what `become` was told, and exit with its code."""
    name_process("supervisor")  # `ps` would show the interpreter
    words = json.loads(sys.argv[1])
    commands: dict[str, Callable[..., None]] = {"up": _up, "demo": _demo}
    command = commands[words.pop("command")]
    try:
        command(**words)
    except OstiaryError as error:
        sys.stderr.write(f"error: {harmless(str(error))}\n")
        sys.exit(FAILED)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _up(
    *, documents: list[str], state: str, no_proxies: bool, listen: str, audit_kept: float
) -> None:
    """The URLs may hold passwords: they come by the environment, which `ps` does not show."""
    with _without_collection():
        from ostiary.app.up import up  # noqa: PLC0415  the whole house, for this only

    paths = tuple(map(Path, documents))
    up(
        paths,
        Path(state),
        _say,
        proxies_elsewhere=no_proxies,
        listen=listen,
        store=os.environ.pop("OSTIARY_STORE", ""),
        fanout=os.environ.pop("OSTIARY_FANOUT", ""),
        audit_kept=audit_kept,
    )


def _demo(*, state: str, called: str) -> None:
    with _without_collection():
        from ostiary.app.demo import Told, demo  # noqa: PLC0415  the whole house, for this only

    demo(Path(state), Told(_say, called))


def _say(text: str) -> None:
    sys.stdout.write(harmless(text) + "\n")
    sys.stdout.flush()


@contextlib.contextmanager
def _without_collection() -> Iterator[None]:
    """No garbage is looked for meanwhile: what is imported stays, and the search takes a tenth."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


if __name__ == "__main__":
    main()
