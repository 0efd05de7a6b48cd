"""Children by name: forked, watched, restarted with a growing pause, ended together."""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn

from ostiary.supervisor.kernel import die_with_parent, name_process

FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 5.0
STEADY: Final = 30.0
"""Seconds after which a child counts as well and its next pause is the first again."""
SEND_PATIENCE: Final = 1.0
"""Seconds a child may leave its messages unread; a hanging one must not hold us up."""
PATIENCE: Final = 10.0
"""Seconds between SIGTERM and SIGKILL."""

Run = Callable[[socket.socket], None]
"""What a child does: it gets its end of the message channel and returns when it is done."""
Message = dict[str, Any]


@dataclass(slots=True)
class Child:
    """One process to keep alive."""

    name: str
    run: Run
    log: Path
    restart: bool = True
    pid: int = 0
    started: float = 0.0
    pause: float = FIRST_PAUSE
    due: float | None = None
    channel: socket.socket | None = None
    unread: bytes = field(default=b"", repr=False)


class Supervisor:
    """Runs until a SIGINT or SIGTERM, or until `stop()`; afterwards no child is left."""

    def __init__(self, on_message: Callable[[str, Message], None]) -> None:
        self.children: dict[str, Child] = {}
        self._on_message = on_message
        self._stopping = False
        self._wake, self._waker = socket.socketpair()
        self._wake.setblocking(False)
        self._waker.setblocking(False)

    def start(self, child: Child) -> None:
        """`child` runs afterwards and is kept alive; an older one of the same name is ended."""
        if child.name in self.children:
            self.end(child.name)
        self.children[child.name] = child
        self._fork(child)

    def end(self, name: str) -> None:
        """The child `name` has exited and is not restarted."""
        child = self.children.pop(name, None)
        if child is not None:
            self._end([child])

    def send(self, name: str, message: Message) -> None:
        """`message` is on its way to the child `name`, if that one lives."""
        child = self.children.get(name)
        if child is not None and child.channel is not None:
            try:
                child.channel.sendall(json.dumps(message).encode() + b"\n")
            except OSError:
                return  # it is dying; its successor asks again

    def stop(self) -> None:
        """`run()` returns soon."""
        self._stopping = True

    def run(self) -> None:
        """Watch until told to stop, then end every child, the youngest first."""
        self._catch_signals()
        try:
            while not self._stopping:
                self._wait()
                self._reap()
                self._restart()
        finally:
            self._end(list(reversed(self.children.values())))
            self.children.clear()

    def _catch_signals(self) -> None:
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self.stop())
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def _wait(self) -> None:
        channels = {c.channel: c for c in self.children.values() if c.channel is not None}
        due = [child.due for child in self.children.values() if child.due is not None]
        timeout = max(0.0, min(due) - time.monotonic()) if due else None
        ready, _, _ = select.select([self._wake, *channels], [], [], timeout)
        for source in ready:
            if source is self._wake:
                self._wake.recv(4096)
            else:
                self._read(channels[source])

    def _read(self, child: Child) -> None:
        if child.channel is None:
            return
        try:
            data = child.channel.recv(65536)
        except OSError:
            data = b""
        if not data:
            child.channel.close()
            child.channel = None
            return
        *lines, child.unread = (child.unread + data).split(b"\n")
        for line in lines:
            self._on_message(child.name, json.loads(line))

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for child in self.children.values():
                if child.pid == pid:
                    self._died(child, os.waitstatus_to_exitcode(status))

    def _died(self, child: Child, code: int) -> None:
        child.pid = 0
        lived = time.monotonic() - child.started
        self._on_message(child.name, {"died": code, "lived": round(lived, 1)})
        if child.restart and not self._stopping:
            if lived > STEADY:
                child.pause = FIRST_PAUSE
            child.due = time.monotonic() + child.pause
            child.pause = min(LONGEST_PAUSE, child.pause * 2)

    def _restart(self) -> None:
        now = time.monotonic()
        for child in list(self.children.values()):
            if child.due is not None and child.due <= now:
                child.due = None
                self._fork(child)

    def _fork(self, child: Child) -> None:
        ours, theirs = socket.socketpair()
        sys.stdout.flush()
        sys.stderr.flush()
        gc.freeze()  # the child never looks through what it shares with us, and so never copies it
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            ours.close()
            self._become(child, theirs, parent)
        theirs.close()
        ours.settimeout(SEND_PATIENCE)
        if child.channel is not None:
            child.channel.close()
        child.channel, child.unread = ours, b""
        child.pid, child.started = pid, time.monotonic()

    def _become(self, child: Child, channel: socket.socket, parent: int) -> NoReturn:
        """The forked side: forget the parent's signals and sockets, run, exit without cleanup."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            die_with_parent(parent)
            name_process(child.name)
            for other in self.children.values():
                if other.channel is not None:
                    other.channel.close()
            self._wake.close()
            self._waker.close()
            _redirect(child.log)
            child.run(channel)
            code = 0
        except BaseException:  # noqa: BLE001  nothing may climb back into the parent's code
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _end(self, children: list[Child]) -> None:
        for child in children:
            _signal(child, signal.SIGTERM)
            _signal(child, signal.SIGCONT)  # one that was stopped hears it too
        deadline = time.monotonic() + PATIENCE
        for child in children:
            while child.pid and time.monotonic() < deadline:
                if _gone(child):
                    break
                time.sleep(0.01)
            if child.pid:
                _signal(child, signal.SIGKILL)
                _gone(child, block=True)
            if child.channel is not None:
                child.channel.close()
                child.channel = None


def _signal(child: Child, number: signal.Signals) -> None:
    if child.pid:
        try:
            os.kill(child.pid, number)
        except ProcessLookupError:
            child.pid = 0


def _gone(child: Child, *, block: bool = False) -> bool:
    if child.pid:
        try:
            pid, _ = os.waitpid(child.pid, 0 if block else os.WNOHANG)
        except ChildProcessError:
            pid = child.pid
        if pid:
            child.pid = 0
    return not child.pid


def _redirect(log: Path) -> None:
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
