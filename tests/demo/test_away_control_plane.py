"""The control plane is away: the demo serves, refreshes, refuses, and restarts a proxy."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest
from browserless import NAVIGATION, Person
from demo_process import Demo, running_demo
from up_process import alive, named, tree, until

pytestmark = pytest.mark.envoy
SAME_ORIGIN = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}
EXPIRED = 7.2
"""Seconds after which a token of one second is refused: whole seconds, and 5 s of clock skew."""


@contextmanager
def short_lived(folder: Path, sessions: str = "{ token: 1s }") -> Iterator[Demo]:
    """The demo with tokens that live for a second."""
    with running_demo(folder / "state") as demo:
        document = demo.state / "demo.yaml"
        document.write_text(document.read_text().replace("{ offline_grace: 1h }", sessions))
        until(lambda: "tokens 1 s" in demo.cli("effective", "notes").stdout)
        until(lambda: settled(demo))
        yield demo


@contextmanager
def people(demo: Demo) -> Iterator[tuple[Person, Person]]:
    """The editor and the visitor, both signed in."""
    with closing(Person(demo)) as editor, closing(Person(demo)) as visitor:
        assert editor.sign_in("editor").status_code == 200
        assert visitor.sign_in("visitor").status_code == 403
        yield editor, visitor


def settled(demo: Demo) -> bool:
    """Whether every proxy holds the accepted revision."""
    status = json.loads(demo.cli("status", "--json").stdout)
    revision = status["revision"]["number"]
    return all(p["connected"] and p["revision"] == revision for p in status["proxies"])


def process(demo: Demo, name: str) -> int:
    found = [pid for pid, comm in tree(demo.process.pid).items() if named(comm, name)]
    return found[0] if found else 0


@contextmanager
def stopped(*pids: int) -> Iterator[None]:
    """The processes neither answer nor end: what a supervisor cannot see."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            if alive(pid):
                os.kill(pid, signal.SIGCONT)


def works(demo: Demo, editor: Person, visitor: Person) -> None:
    """What the demo promises, with tokens that have expired: each answer needs the slow path."""
    time.sleep(EXPIRED)
    before = editor.cookie("__Host-ostiary-session")
    written = editor.ask("POST", "/notes", json={"text": "kept"}, headers=SAME_ORIGIN)
    assert written.status_code == 201, written.text
    assert editor.cookie("__Host-ostiary-session") != before
    assert {"text": "kept", "by": "editor"} in editor.ask("GET", "/notes").json()
    refused = visitor.visit("/")
    assert refused.status_code == 403
    assert "editors" in refused.text
    strangers_are_strangers(demo)


def strangers_are_strangers(demo: Demo) -> None:
    with closing(Person(demo)) as stranger:
        sent = stranger.ask("GET", "/", headers=NAVIGATION)
        assert sent.status_code == 302
        sign_in = f"https://login.localhost:{demo.port}/sign-in?"
        assert sent.headers["location"].startswith(sign_in)
        assert stranger.ask("GET", "/notes").status_code == 401


def signs_in(demo: Demo, name: str, status: int) -> None:
    with closing(Person(demo)) as newcomer:
        assert newcomer.sign_in(name).status_code == status


def serves(person: Person) -> bool:
    try:
        return person.ask("GET", "/notes").status_code == 200
    except httpx.TransportError:
        return False


def an_edit_applies(demo: Demo, person: Person, seconds: float) -> None:
    """A saved change is served in time, and the change back as well."""
    document = demo.state / "demo.yaml"
    before = document.read_text()
    document.write_text(before.replace("methods: [GET, POST]", "methods: [POST]"))
    until(lambda: person.ask("GET", "/notes").status_code == 403, seconds)
    document.write_text(before)
    until(lambda: person.ask("GET", "/notes").status_code == 200, seconds)


def test_a_hanging_control_plane_is_not_missed(tmp_path: Path) -> None:
    with short_lived(tmp_path) as demo, people(demo) as (editor, visitor):
        with stopped(process(demo, "control-plane")):
            works(demo, editor, visitor)
            signs_in(demo, "editor", 200)
            signs_in(demo, "visitor", 403)
            for name in ("proxy-gateway-main", "proxy-service-notes"):
                kill_with_its_envoy(demo, name)
            until(lambda: serves(editor), 10)
            works(demo, editor, visitor)
        until(lambda: settled(demo), 10)
        an_edit_applies(demo, editor, 3)


def kill_with_its_envoy(demo: Demo, name: str) -> None:
    """The agent is killed; its Envoy is gone with it."""
    agent = process(demo, name)
    envoys = list(tree(agent))
    assert envoys
    os.kill(agent, signal.SIGKILL)
    until(lambda: not any(map(alive, envoys)), 3)


def test_a_control_plane_killed_again_and_again_is_not_missed(tmp_path: Path) -> None:
    with short_lived(tmp_path) as demo, people(demo) as (editor, visitor):
        until_time = time.monotonic() + EXPIRED
        kills = 0
        restarted = False
        while time.monotonic() < until_time:
            pid = process(demo, "control-plane")
            if pid:
                os.kill(pid, signal.SIGKILL)
                kills += 1
            if kills == 4 and not restarted:
                kill_with_its_envoy(demo, "proxy-gateway-main")
                until(lambda: serves(editor), 10)
                restarted = True
            time.sleep(0.05)
        assert kills >= 4
        assert restarted
        works(demo, editor, visitor)
        until(lambda: settled(demo), 20)
        an_edit_applies(demo, editor, 3)
