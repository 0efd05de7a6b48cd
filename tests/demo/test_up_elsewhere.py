"""A control plane that starts no proxy, and a proxy that finds it on another address."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from browserless import Person
from demo_process import OSTIARY
from up_process import Up, end, free_ports, running_up, until, wait_ready

pytestmark = pytest.mark.envoy
ID = "spiffe://ostiary.internal/default/default/gateway/main"
ELSEWHERE = "127.0.0.2"
"""An address of this machine that stands for another one's view of it."""


def test_a_proxy_elsewhere_joins_serves_and_signs_people_in(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    document = tmp_path / "gateway.yaml"
    document.write_text(
        f"gateway:\n  https: {{ port: {port}, address: 127.0.0.1, hosts: [notes.localhost] }}\n"
        "identity: { providers: { local: {} } }\n"
        "routes:\n  notes: { host: notes.localhost, respond: { body: hello }, login: true,\n"
        "           access: [{ allow: { users: [ann] } }] }\n"
    )
    options = ("--no-proxies", "--listen", ELSEWHERE)
    with running_up(tmp_path / "state", [document], *options, https=port, ready=False) as up:
        until(lambda: up.cli("status", check=False).returncode == 0, 30)
        proxy = _proxy(up, tmp_path)
        try:
            wait_ready(proxy, 60)
            up.add_user("ann")
            person = Person(up)
            assert person.sign_in("ann").text == "hello"
            person.close()
        finally:
            end(proxy)


def _proxy(up: Up, folder: Path) -> Up:
    """`ostiary proxy` as the line that `proxy-token` prints says, with a state of its own."""
    made = up.cli("proxy-token", ID)
    (folder / "token").write_text(made.stdout)
    line = made.stderr.splitlines()[1].split()
    assert line[line.index("--control-plane") + 1].startswith(ELSEWHERE)
    words = [word.replace("FILE", str(folder / "token")) for word in line[1:]]
    output = folder / "proxy.out"
    with output.open("w") as out:
        process = subprocess.Popen(
            [str(OSTIARY), *words, "--state", str(folder / "proxy")],
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
    return Up(process, folder / "proxy", output)
