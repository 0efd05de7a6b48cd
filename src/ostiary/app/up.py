"""`ostiary up`: the supervisor and what it starts. Single-threaded; see decision 0002.

Fed by the command line; feeds the terminal. The control plane says which proxies there are, the
supervisor starts an agent for each, and carries their few messages to one another.
"""

from __future__ import annotations

import functools
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ostiary.app.agent import run_agent_process
from ostiary.app.control_plane import run_control_plane_process
from ostiary.app.installation import AUDIT_KEPT, Installation, open_installation
from ostiary.app.login import run_login_process
from ostiary.app.spec import ProxySpec
from ostiary.supervisor import Child, Supervisor
from ostiary.supervisor.children import Message

CONTROL_PLANE: Final = "control-plane"
LOGIN: Final = "login"
AGENT_PREFIX: Final = "proxy-"
Say = Callable[[str], None]


def up(
    documents: tuple[Path, ...],
    state: Path,
    say: Say,
    *,
    proxies_elsewhere: bool = False,
    listen: str = "127.0.0.1",
    store: str = "",
    fanout: str = "",
    audit_kept: float = AUDIT_KEPT,
) -> None:
    """Serve `documents` until a signal; faults are said as they are found.

    `proxies_elsewhere`: no proxy is started here; each joins with `ostiary proxy`, and reaches us
    at the IP address `listen`. `store` is a database's URL, `fanout` that of a Valkey server by
    which several control planes with one store tell each other of news; empty: neither.
    """
    installation = open_installation(
        state,
        documents,
        proxies_elsewhere=proxies_elsewhere,
        listen=listen,
        store=store,
        fanout=fanout,
        audit_kept=audit_kept,
    )
    Up(installation, say).start()


class Up:
    """The processes of one installation, from start to the last one's end."""

    def __init__(self, installation: Installation, say: Say) -> None:
        self.installation = installation
        self.say = say
        self.envoys: dict[str, int] = {}
        self.faults: dict[str, str] = {}
        """By process: why it cannot do its work, as it was said last."""
        self.probes: list[tuple[str, int]] = []
        """`(host, port)` that must answer over TLS before we call it ready."""
        self.on_ready: Callable[[], None] = lambda: self.say("ready")
        self._lamented: set[str] = set()
        self._settled = False
        self._ready = False
        self.supervisor = Supervisor(self._heard)

    def start(self, extra: tuple[Child, ...] = ()) -> None:
        """Everything runs until a signal; afterwards nothing of ours is left."""
        self._start("control-plane", run_control_plane_process)
        self._start("login", run_login_process)
        for child in extra:
            self.supervisor.start(child)
        try:
            self.supervisor.run()
        finally:
            self.installation.admin_file.unlink(missing_ok=True)
            self.installation.waiting_file.unlink(missing_ok=True)

    def processes(self) -> list[dict[str, int | str]]:
        """Every process of ours that runs: name and pid, Envoys included."""
        ours = [(child.name, child.pid) for child in self.supervisor.children.values()]
        envoys = [(f"envoy-{name}", pid) for name, pid in self.envoys.items()]
        return [{"name": name, "pid": pid} for name, pid in [*ours, *envoys]]

    def _start(self, name: str, run: Callable[[Installation, socket.socket], None]) -> None:
        task = functools.partial(run, self.installation)
        self.supervisor.start(Child(name, task, self.installation.logs / f"{name}.log"))

    def _heard(self, name: str, message: Message) -> None:
        if "say" in message:
            self.say(message["say"])
        elif "proxies" in message:
            self.faults.pop(name, None)
            self._want([ProxySpec.of(spec) for spec in message["proxies"]])
        elif "need_token" in message:
            self.supervisor.send(CONTROL_PLANE, message)
        elif "token" in message:
            self.supervisor.send(AGENT_PREFIX + message["proxy"], message)
        elif "fault" in message:
            self._lament(name, message)
        elif "envoy" in message:
            self.faults.pop(name, None)
            self.envoys[name.removeprefix(AGENT_PREFIX)] = message["envoy"]
            self._look()
        elif "settled" in message:
            self._settled = True
            self._look()
        elif "died" in message:
            self._mourn(name, message["died"])

    def _want(self, specs: list[ProxySpec]) -> None:
        wanted = {AGENT_PREFIX + spec.name: spec for spec in specs}
        for name in [n for n in self.supervisor.children if n.startswith(AGENT_PREFIX)]:
            if name not in wanted:
                self.supervisor.end(name)
                self.envoys.pop(name.removeprefix(AGENT_PREFIX), None)
        for name, spec in wanted.items():
            task = functools.partial(run_agent_process, self.installation, spec)
            if name in self.supervisor.children:
                self.supervisor.children[name].run = task  # for its next start
            else:
                self.supervisor.start(Child(name, task, self.installation.logs / f"{name}.log"))

    def _mourn(self, name: str, code: int) -> None:
        if code != 0 and name not in self._lamented:
            log = self.installation.logs / f"{name}.log"
            self.say(f"{name} ended with {code} and is started again; its log is {log}")
        self._lamented.discard(name)
        self.envoys.pop(name.removeprefix(AGENT_PREFIX), None)

    def _lament(self, name: str, message: Message) -> None:
        """A process said why it cannot work; said again only when it is another reason."""
        hint = f"\n  hint: {message['hint']}" if message["hint"] else ""
        sentence = f"{name}: {message['code']}: {message['fault']}{hint}"
        if self.faults.get(name) != sentence:
            self.say(sentence)
        self.faults[name] = sentence
        self._lamented.add(name)
        if "proxy" in message:
            self.supervisor.send(CONTROL_PLANE, message)

    def _look(self) -> None:
        """Ready, once: each proxy holds the revision, has a live Envoy, and each host answers."""
        agents = sum(name.startswith(AGENT_PREFIX) for name in self.supervisor.children)
        if self._ready or not self._settled or len(self.envoys) < agents:
            return
        self._ready = self._all_answer()
        if self._ready:
            self.on_ready()
        else:
            self._settled = False
            self.supervisor.send(CONTROL_PLANE, {"ask_settled": True})

    def _all_answer(self) -> bool:
        return all(answers(host, port, self.installation.ca_file) for host, port in self.probes)


def answers(host: str, port: int, ca: Path, seconds: float = 5.0) -> bool:
    """Whether `https://host:port/` on this machine gives an answer that is no 5xx in time."""
    context = ssl.create_default_context(cafile=str(ca))
    deadline = time.monotonic() + seconds
    request = f"GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode()
    while time.monotonic() < deadline:
        try:
            with (
                socket.create_connection(("127.0.0.1", port), 1) as raw,
                context.wrap_socket(raw, server_hostname=host) as secure,
            ):
                secure.sendall(request)
                if b" 5" not in secure.recv(64).split(b"\r\n")[0][:12]:
                    return True
        except OSError:
            pass
        time.sleep(0.02)
    return False
