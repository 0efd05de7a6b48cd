"""Start `ostiary demo` as a person would, and stop it; shared by the demo and browser tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

OSTIARY = Path(sys.executable).with_name("ostiary")
PATIENCE = 60.0


@dataclass
class Demo:
    """A running demo and the facts it wrote."""

    process: subprocess.Popen[str]
    state: Path
    output: Path

    @property
    def facts(self) -> dict[str, Any]:
        return json.loads((self.state / "demo.json").read_text())

    @property
    def url(self) -> str:
        return str(self.facts["url"])

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 443

    def password(self, name: str) -> str:
        return next(a["password"] for a in self.facts["accounts"] if a["name"] == name)

    def pid(self, name: str) -> int:
        return next(int(p["pid"]) for p in self.facts["processes"] if p["name"] == name)

    def said(self) -> str:
        return self.output.read_text()

    def cli(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [str(OSTIARY), *arguments, "--state", str(self.state)]
        return subprocess.run(command, capture_output=True, text=True, check=check, timeout=30)


@contextmanager
def running_demo(state: Path) -> Iterator[Demo]:
    """A demo that has said `ready`; ended, and proved to leave nothing, afterwards."""
    output = state.with_name(state.name + ".out")
    with output.open("w") as out:
        process = subprocess.Popen(
            [str(OSTIARY), "demo", "--state", str(state)],
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
    demo = Demo(process, state, output)
    try:
        _until_ready(demo)
        yield demo
    finally:
        _end(process)


def _until_ready(demo: Demo) -> None:
    deadline = time.monotonic() + PATIENCE
    while not any(line.startswith("ready") for line in demo.said().splitlines()):
        assert demo.process.poll() is None, demo.said()
        assert time.monotonic() < deadline, demo.said() + _logs(demo.state)
        time.sleep(0.05)


def _logs(state: Path) -> str:
    return "\n".join(
        f"--- {log.name}\n{log.read_text()[-3000:]}" for log in sorted((state / "log").glob("*"))
    )


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
