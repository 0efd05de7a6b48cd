"""Closed-loop load: `wrk` where it is installed, else connections of our own in one thread.

Both send the same requests over kept-alive connections and rotate through the given cookies, one
a request. An answer that is not 200 is counted, and a slice with one is worth nothing.
"""

from __future__ import annotations

import json
import re
import select
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from _machine import cores

CONNECTIONS: Final = 32
_SCRIPT: Final = """\
local requests, at = {}, 0
function init(arguments)
  for line in io.lines(arguments[1]) do
    if line ~= "" then wrk.headers["cookie"] = line end
    requests[#requests + 1] = wrk.format("GET", arguments[2])
  end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
function done(summary, latency)
  local errors = summary.errors
  local bad = errors.status + errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format('\\nRESULT {"requests": %d, "bad": %d, "p50": %f, "p99": %f}\\n',
    summary.requests, bad, latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
"""


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked, and how."""

    port: int
    tls: bool
    host: str
    path: str = "/"
    cookies: Sequence[str] = field(default=("",), repr=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one slice of load gave. Latencies in milliseconds."""

    requests: int
    bad: int
    p50: float
    p99: float


def generator() -> str:
    """Which one is used on this machine."""
    return "wrk" if shutil.which("wrk") else "python"


class Load:
    """Load on one target from the last core. The folder holds what `wrk` reads."""

    def __init__(self, folder: Path, name: str, target: Target) -> None:
        self._target = target
        self._script = folder / "load.lua"
        self._cookies = folder / f"cookies-{name}.txt"
        self._script.write_text(_SCRIPT)
        self._cookies.write_text("".join(f"{cookie}\n" for cookie in target.cookies))

    def run(self, seconds: float, connections: int = CONNECTIONS) -> Outcome:
        """As many requests as get answers within `seconds`."""
        if generator() == "wrk":
            return self._wrk(seconds, connections)
        return _python(self._target, seconds, connections)

    def _wrk(self, seconds: float, connections: int) -> Outcome:
        target = self._target
        scheme = "https" if target.tls else "http"
        command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s"]
        command += ["-s", str(self._script), "-H", f"Host: {target.host}"]
        command += [f"{scheme}://127.0.0.1:{target.port}/", "--", str(self._cookies), target.path]
        if len(cores()) > 1 and shutil.which("taskset"):
            command = ["taskset", "-c", str(cores()[-1]), *command]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found = re.search(r"^RESULT (.*)$", done.stdout, re.MULTILINE)
        if found is None:
            raise RuntimeError(f"wrk said: {done.stdout}{done.stderr}")
        return Outcome(**json.loads(found.group(1)))


def secure_context() -> ssl.SSLContext:
    """TLS without a look at the certificate: we measure, we do not trust."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def connect(target: Target) -> socket.socket:
    """A connected socket to `target`, with TLS where it has it."""
    raw = socket.create_connection(("127.0.0.1", target.port), 10)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not target.tls:
        return raw
    return secure_context().wrap_socket(raw, server_hostname=target.host)


def request(target: Target, cookie: str, *more: str) -> bytes:
    """A GET; `more` are further header lines."""
    lines = [f"GET {target.path} HTTP/1.1", f"Host: {target.host}", *more]
    if cookie:
        lines.append(f"Cookie: {cookie}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def answer(connection: socket.socket) -> bytes:
    """One whole answer with a Content-Length (or none), head and body."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        if not chunk:
            raise ConnectionError("closed before an answer")
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    missing = (int(length.group(1)) if length else 0) - len(body)
    while missing > 0:
        chunk = connection.recv(65536)
        if not chunk:
            raise ConnectionError("closed within an answer")
        data += chunk
        missing -= len(chunk)
    return data


def _python(target: Target, seconds: float, connections: int) -> Outcome:
    """One request at a time on each connection, all of them asked as soon as they answered."""
    asked = [request(target, cookie) for cookie in target.cookies]
    sockets = {one.fileno(): one for one in (connect(target) for _ in range(connections))}
    poll = select.epoll()
    for number in sockets:
        poll.register(number, select.EPOLLIN)
    count = bad = 0
    latencies: list[float] = []
    started: dict[int, float] = {}

    def ask(number: int) -> None:
        started[number] = time.perf_counter()
        sockets[number].sendall(asked[(count + number) % len(asked)])

    end = time.monotonic() + seconds
    for number in sockets:
        ask(number)
    while time.monotonic() < end:
        for number, _ in poll.poll(0.1):
            bad += not answer(sockets[number]).startswith(b"HTTP/1.1 200")
            latencies.append((time.perf_counter() - started[number]) * 1000)
            count += 1
            ask(number)
    for one in sockets.values():
        one.close()
    latencies.sort()
    middle, late = latencies[len(latencies) // 2], latencies[int(len(latencies) * 0.99)]
    return Outcome(count, bad, middle, late)
