"""The supervisor forks, restarts and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ostiary.supervisor import Child, Supervisor

PROGRAM = textwrap.dedent(
    """
    import json, os, sys, time
    from pathlib import Path
    from ostiary.supervisor import Child, Supervisor

    folder = Path(sys.argv[1])
    said = (folder / "said").open("a", buffering=1)

    def sleeper(channel):
        channel.sendall(json.dumps({"pid": os.getpid()}).encode() + b"\\n")
        time.sleep(60)

    def short(channel):
        channel.sendall(b'{"short": 1}\\n')

    def heard(name, message):
        said.write(json.dumps([name, message]) + "\\n")

    supervisor = Supervisor(heard)
    supervisor.start(Child("sleeper", sleeper, folder / "log"))
    supervisor.start(Child("short", short, folder / "log", restart=False))
    supervisor.run()
    """
)


def lines(folder: Path) -> list[tuple[str, dict[str, int]]]:
    file = folder / "said"
    if not file.exists():
        return []
    return [tuple(json.loads(line)) for line in file.read_text().splitlines()]


def pids(folder: Path) -> list[int]:
    return [m["pid"] for name, m in lines(folder) if name == "sleeper" and "pid" in m]


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def start(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(folder)])


def test_a_dead_child_is_restarted_and_sigterm_ends_all(tmp_path: Path) -> None:
    process = start(tmp_path)
    try:
        until(lambda: len(pids(tmp_path)) == 1)
        os.kill(pids(tmp_path)[0], signal.SIGKILL)
        until(lambda: len(pids(tmp_path)) == 2)
        assert ["sleeper", -9] in [[n, m["died"]] for n, m in lines(tmp_path) if "died" in m]
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
    assert not any(alive(pid) for pid in pids(tmp_path))


def test_children_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    process = start(tmp_path)
    until(lambda: len(pids(tmp_path)) == 1)
    process.kill()
    process.wait()
    until(lambda: not alive(pids(tmp_path)[0]))


def test_a_child_that_is_done_stays_done(tmp_path: Path) -> None:
    process = start(tmp_path)
    try:
        until(lambda: ["short", 0] in [[n, m["died"]] for n, m in lines(tmp_path) if "died" in m])
        time.sleep(0.5)
        assert sum(1 for name, m in lines(tmp_path) if name == "short" and "short" in m) == 1
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_messages_reach_a_child(tmp_path: Path) -> None:
    heard: list[dict[str, str]] = []

    def echo(channel: socket.socket) -> None:
        channel.sendall(channel.recv(100))

    def on_message(_name: str, message: dict[str, str]) -> None:
        heard.append(message)
        if "died" in message:
            supervisor.stop()

    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)]
    supervisor = Supervisor(on_message)
    try:
        supervisor.start(Child("echo", echo, tmp_path / "log", restart=False))
        supervisor.send("echo", {"word": "good"})
        supervisor.run()
    finally:
        signal.set_wakeup_fd(-1)
        for number, handler in zip(
            (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD), before, strict=True
        ):
            signal.signal(number, handler)
    assert {"word": "good"} in heard
