"""Processes that die, one after another and all together; signals; one installation a folder."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from browserless import Person
from demo_process import OSTIARY
from up_process import alive, echo, end, free_ports, running_up, tree, until

pytestmark = pytest.mark.envoy
STATEMENT = """gateway:
  https: {{ port: {https}, address: 127.0.0.1, hosts: [notes.localhost] }}
identity: {{ providers: {{ local: {{}} }} }}
services:
  app:
    at: ["{app}"]
    mini_gateway: {{ address: 127.0.0.1, port: {mini} }}
    access: [{{ allow: {{ users: [someone] }} }}]
routes:
  app:
    host: notes.localhost
    to: app
    login: true
    access: [{{ allow: {{ users: [someone] }} }}]
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A document with an edge, a mini gateway and an application, and its port."""
    https, mini = free_ports(2)
    file = tmp_path / "gateway.yaml"
    with echo() as app:
        file.write_text(STATEMENT.format(https=https, mini=mini, app=app))
        yield file, https


def works(person: Person) -> bool:
    try:
        return person.ask("GET", "/x").status_code == 200
    except httpx.TransportError:
        return False


def test_whatever_dies_comes_back(tmp_path: Path, site: tuple[Path, int]) -> None:
    file, https = site
    with running_up(tmp_path / "state", [file], https=https) as up, closing(Person(up)) as person:
        up.add_user("someone")
        assert person.sign_in("someone").status_code == 200
        victims = list(tree(up.process.pid).items())
        assert len(victims) == 6  # control plane, login, two agents, two Envoys
        random.shuffle(victims)
        for pid, name in victims:
            if not alive(pid):
                continue  # an Envoy whose agent was killed before
            os.kill(pid, signal.SIGKILL)
            until(lambda p=pid: not alive(p), 3)  # type: ignore[misc]
            until(lambda: works(person), 10, f"{name} was killed: {up.logs()}")
            until(lambda: len(tree(up.process.pid)) == 6, 10, name)
        until(lambda: up.cli("status", check=False).returncode == 0)
        until(lambda: up.red() == [], 15)
        with closing(Person(up)) as newcomer:
            assert newcomer.sign_in("someone").status_code == 200
        text = file.read_text()
        file.write_text(text.replace("  app:\n    host", "  app:\n    path: /y/*\n    host"))
        until(lambda: person.ask("GET", "/x").status_code == 404, 3)
        assert person.ask("GET", "/y/").status_code == 200


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_nothing_outlives_the_supervisor(
    tmp_path: Path, site: tuple[Path, int], number: signal.Signals
) -> None:
    file, https = site
    with running_up(tmp_path / "state", [file], https=https) as up:
        ours = list(tree(up.process.pid))
        assert len(ours) == 6
        if number != signal.SIGKILL:
            os.kill(up.pid("control-plane"), signal.SIGSTOP)  # even one that hangs
        end(up, number, 8)
        assert not any(map(alive, ours))
        assert number == signal.SIGKILL or up.process.returncode == 0


def test_an_ordinary_end_leaves_a_whole_database(tmp_path: Path, site: tuple[Path, int]) -> None:
    """One file to copy: nothing is left in the write-ahead log beside it."""
    file, https = site
    with running_up(tmp_path / "state", [file], https=https) as up:
        end(up, signal.SIGTERM, 8)
        assert [one.name for one in up.state.glob("ostiary.db*")] == ["ostiary.db"]


def test_a_folder_has_one_installation(tmp_path: Path, site: tuple[Path, int]) -> None:
    file, https = site
    with running_up(tmp_path / "state", [file], https=https) as up:
        before = (up.state / "admin.json").read_text()
        command = [str(OSTIARY), "up", str(file), "--state", str(up.state)]
        second = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        assert second.returncode == 1
        assert "another ostiary runs with the state" in second.stderr
        assert (up.state / "admin.json").read_text() == before
        assert up.red() == []
