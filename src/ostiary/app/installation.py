"""One installation on one machine: its state directory, its ports, its lock.

Fed by the command line; feeds every process of `ostiary up`.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from ostiary.compiler.world import Address
from ostiary.errors import Refused
from ostiary.store.database import Database

AUDIT_KEPT: Final = 400 * 86_400.0
"""Seconds: a year, and time to look into what is found at its end (NIST SP 800-53, AU-11)."""
DEMO_STAMP: Final = "demo.stamp"
_PORTS: Final = ("control", "enrolment", "login_http", "login_authz", "admin")


@dataclass(frozen=True, slots=True)
class Installation:
    """Where things are. Every path is absolute; every port is this run's."""

    state: Path
    documents: tuple[Path, ...]
    control: Address
    """gRPC with mutual TLS: xDS, decision log, renewal."""
    enrolment: Address
    """gRPC with server TLS only: the first certificate, for a join token."""
    login_http: Address
    login_authz: Address
    admin: Address
    held: IO[str] = field(repr=False, compare=False)
    """The lock: while this file is open, nobody else runs the installation."""
    demo: bool = False
    proxies_elsewhere: bool = False
    """True: no proxy is started here; each runs `ostiary proxy` on its own machine."""
    store: str = field(default="", repr=False)
    """A database's URL; empty: the embedded one of the state directory."""
    fanout: str = field(default="", repr=False)
    """Where control planes with one store tell each other of news; empty: there is one."""
    audit_kept: float = AUDIT_KEPT
    """Seconds for which the audit log keeps what is over; 0: for ever."""

    def database(self) -> Database:
        """Connections of this process to the store; nothing is asked yet."""
        return Database.at(self.store, self.state)

    @property
    def verdicts_socket(self) -> Path:
        """Where `login` tells the control plane that it wrote verdicts; 0600."""
        return self.state / "verdicts.sock"

    @property
    def logs(self) -> Path:
        """One log file a process."""
        return self.state / "log"

    @property
    def proxies(self) -> Path:
        """One folder a proxy."""
        return self.state / "proxies"

    @property
    def admin_file(self) -> Path:
        """`{url, token_file, ca}`: how the command line finds the running control plane."""
        return self.state / "admin.json"

    @property
    def waiting_file(self) -> Path:
        """Why nothing at all is served yet, in words; there only as long as that is so."""
        return self.state / "waiting.txt"

    @property
    def token_file(self) -> Path:
        """The bearer token of the admin API, 0600."""
        return self.state / "admin.token"

    @property
    def ca_file(self) -> Path:
        """The web authority's certificate: what a client trusts to reach the gateways."""
        return self.state / "ca.pem"


def open_installation(
    state: Path,
    documents: tuple[Path, ...],
    *,
    demo: bool = False,
    proxies_elsewhere: bool = False,
    listen: str = "127.0.0.1",
    store: str = "",
    fanout: str = "",
    audit_kept: float = AUDIT_KEPT,
) -> Installation:
    """The folder has mode 0700, is not tracked by git, and belongs to this run and its kind alone.

    Raises `Refused` when a demo's state is given to `up` or the other way round, and when another
    run has it; nothing of that run is touched.
    """
    state = state.absolute()
    _prepare(state)
    stamp = state / DEMO_STAMP
    if demo and not stamp.exists():
        if (state / "ostiary.db").exists():
            raise Refused(
                "state-not-demo",
                f"{state} holds the state of an installation, not of a demo",
                "give the demo a folder of its own: ostiary demo --state FOLDER",
            )
        stamp.touch(mode=0o600)
    if not demo and stamp.exists():
        raise Refused(
            "state-is-demo",
            f"{state} is the state of a demo: its accounts and keys are for trying out only",
            "give the installation a folder of its own: ostiary up --state FOLDER",
        )
    held = _lock(state)
    ports = _ports(state, listen)
    return Installation(
        state,
        tuple(document.absolute() for document in documents),
        Address(listen, ports["control"]),
        Address(listen, ports["enrolment"]),
        Address(listen, ports["login_http"]),
        Address(listen, ports["login_authz"]),
        Address("127.0.0.1", ports["admin"]),
        held,
        demo,
        proxies_elsewhere,
        store,
        fanout,
        audit_kept,
    )


def write_private(file: Path, text: str) -> None:
    """`file` holds `text`, whole or not at all, readable by its owner only."""
    fresh = file.with_name(file.name + ".new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as out:
        out.write(text)
    fresh.replace(file)


def write_facts(file: Path, facts: Mapping[str, Any]) -> None:
    """`file` holds `facts` as JSON, readable by its owner only."""
    write_private(file, json.dumps(facts, indent=2) + "\n")


def free_port(address: str, wanted: int = 0) -> int:
    """`wanted` if nobody listens there, else a port that is free now."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for port in (wanted, 0):
        with socket.socket(family) as probe:
            try:
                probe.bind((address, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise Refused(
        "no-port",
        f"no port is free on {address}",
        "is it an address of this machine? If so, end a program that holds many ports",
    )


def _prepare(state: Path) -> None:
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (state, state / "log", state / "proxies"):
            folder.mkdir(mode=0o700, exist_ok=True)
            folder.chmod(0o700)
        ignore = state / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")
    except OSError as error:
        raise Refused(
            "state-unusable",
            f"the state directory {state} cannot be used: {error.strerror}",
            "give another one with --state",
        ) from error


def _lock(state: Path) -> IO[str]:
    """The state is ours while the returned file is open."""
    file = (state / "lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise Refused(
            "state-in-use",
            f"another ostiary runs with the state {state}",
            "end that one, or give this one a folder of its own with --state",
        ) from error
    return file


def _ports(state: Path, listen: str) -> dict[str, int]:
    """The ports of the last run where they are still free, so that proxies elsewhere find us."""
    file = state / "ports.json"
    try:
        last = json.loads(file.read_text())
    except (OSError, ValueError):
        last = {}
    taken: dict[str, int] = {}
    for name in _PORTS:
        port = free_port(listen, int(last.get(name, 0)))
        while port in taken.values():
            port = free_port(listen)
        taken[name] = port
    write_private(file, json.dumps(taken))
    return taken
