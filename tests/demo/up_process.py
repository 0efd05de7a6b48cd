"""Start `ostiary up` as a person would, see its processes, and end it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from demo_process import OSTIARY, Demo, _logs

PASSWORD = "correct horse battery"  # noqa: S105  an account of one test run


@dataclass
class Up(Demo):
    """A running `ostiary up`; `Person` takes it for a demo."""

    https: int = 0
    host: str = "notes.localhost"
    passwords: dict[str, str] = field(default_factory=dict)

    @property
    def facts(self) -> dict[str, Any]:
        accounts = [{"name": n, "password": p} for n, p in self.passwords.items()]
        url = f"https://{self.host}:{self.https}"
        return {"url": url, "ca": str(self.state / "ca.pem"), "accounts": accounts}

    def pid(self, name: str) -> int:
        """The pid of the process the kernel calls `name` (15 bytes): `login`, `proxy-gate`..."""
        return next(pid for pid, comm in tree(self.process.pid).items() if named(comm, name))

    def add_user(self, name: str, *groups: str) -> None:
        """The account exists and may sign in."""
        more = [word for group in groups for word in ("--group", group)]
        command = [str(OSTIARY), "user", "add", name, "--password-stdin", *more]
        subprocess.run(
            [*command, "--state", str(self.state)],
            input=PASSWORD,
            text=True,
            capture_output=True,
            check=True,
            timeout=30,
        )
        self.passwords[name] = PASSWORD

    def status(self) -> dict[str, Any]:
        return dict(json.loads(self.cli("status", "--json").stdout))

    def red(self) -> list[str]:
        """The codes of everything that is red."""
        return [str(one["code"]) for one in self.status()["red"]]

    def logs(self) -> str:
        return self.said() + _logs(self.state)


def named(comm: str, name: str) -> bool:
    return comm == name or comm == f"ost-{name}"[:15]


def tree(root: int) -> dict[int, str]:
    """Every living process below `root`: pid -> what the kernel calls it."""
    found: dict[int, str] = {}
    above = [root]
    while above:
        pid = above.pop()
        with suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                for child in map(int, (task / "children").read_text().split()):
                    if child not in found and alive(child):
                        found[child] = comm(child)
                        above.append(child)
    return found


def comm(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def alive(pid: int) -> bool:
    """Whether `pid` runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def until(condition: Callable[[], object], seconds: float = 20, why: str = "") -> float:
    """Seconds until `condition()` holds; fails when that takes longer than `seconds`."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds, why or f"not so after {seconds} s"
        time.sleep(0.03)
    return time.monotonic() - begun


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def start_up(
    state: Path, documents: list[Path], *options: str, https: int = 0, host: str = "notes.localhost"
) -> Up:
    """`ostiary up` has been started; nothing is waited for."""
    output = state.with_name(state.name + ".out")
    command = [str(OSTIARY), "up", *map(str, documents), "--state", str(state), *options]
    with output.open("w") as out:
        process = subprocess.Popen(
            command,
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
    return Up(process, state, output, https, host)


@contextmanager
def running_up(
    state: Path,
    documents: list[Path],
    *options: str,
    https: int = 0,
    host: str = "notes.localhost",
    ready: bool = True,
) -> Iterator[Up]:
    """`ostiary up`, ready unless told otherwise; it and all it started are gone afterwards."""
    up = start_up(state, documents, *options, https=https, host=host)
    try:
        if ready:
            wait_ready(up)
        yield up
    finally:
        end(up)


def wait_ready(up: Up, seconds: float = 30) -> None:
    def ready() -> bool:
        assert up.process.poll() is None, up.logs()
        return any(line.startswith("ready") for line in up.said().splitlines())

    until(ready, seconds, up.logs())


def end(up: Up, number: signal.Signals = signal.SIGTERM, seconds: float = 20) -> None:
    """Every process of `up` is gone; raises when one outlived the signal."""
    ours = [up.process.pid, *tree(up.process.pid)]
    if up.process.poll() is None:
        up.process.send_signal(number)
    try:
        up.process.wait(seconds)
        until(lambda: not any(map(alive, ours)), 5, "a process was left")
    finally:
        for pid in ours:
            with suppress(ProcessLookupError):
                if alive(pid):
                    os.kill(pid, signal.SIGKILL)


class _Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        size = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(size).decode() if size else ""
        headers = {key.lower(): value for key, value in self.headers.items()}
        seen = {"method": self.command, "path": self.path, "headers": headers, "body": body}
        content = json.dumps(seen).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = answer  # noqa: N815  the names that http.server looks for

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Quiet."""


@contextmanager
def echo() -> Iterator[str]:
    """An application that answers with what it was asked; gives `host:port`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
