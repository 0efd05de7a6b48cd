"""Run the command line, as a process or as a function, beside a real admin API."""

from __future__ import annotations

import asyncio
import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from api_running import TOKEN, Api, running_api

from ostiary.cli import main


@dataclass
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str


def process(
    *arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None, stdin: str = ""
) -> Said:
    """The real program in its own process."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OSTIARY_")}
    done = subprocess.run(
        [Path(sys.executable).with_name("ostiary"), *map(str, arguments)],
        cwd=cwd,
        env=clean | {"COLUMNS": "100", **(env or {})},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def command(*arguments: str | Path, stdin: str = "") -> Said:
    """The same in this process, which is quicker."""
    out, err = io.StringIO(), io.StringIO()
    before, sys.stdin = sys.stdin, io.StringIO(stdin)
    code: object = None
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main([str(one) for one in arguments])
    except SystemExit as end:
        code = end.code
    finally:
        sys.stdin = before
    return Said(int(str(code)), out.getvalue(), err.getvalue())


@contextmanager
def control_plane(state: Path, *, guarded: bool = True) -> Iterator[Api]:
    """An admin API in a thread of its own; `state/admin.json` says where."""
    state.mkdir(exist_ok=True)
    ready, done = threading.Event(), threading.Event()
    found: list[Api] = []

    async def serve() -> None:
        async with running_api(state, guarded=guarded) as api:
            found.append(api)
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(20)
        (state / "admin.token").write_text(TOKEN + "\n")
        facts = {
            "url": found[0].url,
            "token_file": str(state / "admin.token"),
            "ca": str(found[0].ca),
        }
        (state / "admin.json").write_text(json.dumps(facts))
        yield found[0]
    finally:
        done.set()
        thread.join()
