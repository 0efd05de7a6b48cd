"""The commands against a running installation of several files and folders."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest
from browserless import NAVIGATION, Person
from demo_process import OSTIARY
from up_process import Up, alive, echo, free_ports, running_up, tree, until

from ostiary.proxy.guard import installed

pytestmark = pytest.mark.envoy
EXPIRED = 7.2
"""Seconds after which a token of one second is refused: whole seconds, and 5 s of clock skew."""
GATEWAY = """gateway:
  https: {{ port: {https}, address: 127.0.0.1, hosts: [notes.localhost] }}
  http: {{ port: {http}, address: 127.0.0.1, redirect: https }}
identity: {{ providers: {{ local: {{}} }} }}
sessions: {{ token: 1s }}
"""
SERVICE = 'services:\n  app: {{ at: ["{app}"] }}\n'
ROUTES = """routes:
  app:
    host: notes.localhost
    to: app
    login: true
    access: [{ allow: { groups: [staff] } }]
"""


def lay_out(folder: Path, https: int, http: int, app: str) -> list[Path]:
    """One document in a file, a folder and a folder below a folder."""
    (folder / "site" / "below").mkdir(parents=True)
    (folder / "more").mkdir()
    (folder / "gateway.yaml").write_text(GATEWAY.format(https=https, http=http))
    (folder / "site" / "below" / "services.yml").write_text(SERVICE.format(app=app))
    (folder / "more" / "routes.yaml").write_text(ROUTES)
    return [folder / "gateway.yaml", folder / "site", folder / "more"]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Up, int]]:
    folder = tmp_path_factory.mktemp("commands")
    https, http = free_ports(2)
    with echo() as app:
        documents = lay_out(folder, https, http, app)
        with running_up(folder / "state", documents, https=https) as up:
            yield up, http


def test_status_names_every_address(running: tuple[Up, int]) -> None:
    up, http = running
    status = up.status()
    addresses = [
        {"listener": "https", "host": "127.0.0.1", "port": up.https},
        {"listener": "http", "host": "127.0.0.1", "port": http},
    ]
    (gateway,) = status["gateways"]
    assert (gateway["namespace"], gateway["name"]) == ("default", "main")
    assert sorted(gateway["addresses"], key=str) == sorted(addresses, key=str)
    assert status["red"] == []
    assert [p["connected"] for p in status["proxies"]] == [True]
    assert "green" in up.cli("status").stdout


def test_effective_shows_the_route_with_its_levels(running: tuple[Up, int]) -> None:
    up, _ = running
    shown = up.cli("effective", "app").stdout
    assert "routes.yaml:2:" in shown
    assert "staff" in shown
    found = json.loads(up.cli("effective", "app", "--json").stdout)
    assert found["hosts"] == ["notes.localhost"]
    unknown = up.cli("effective", "nothing", check=False)
    assert unknown.returncode == 1
    assert "nothing" in unknown.stderr


def test_plain_http_leads_to_https(running: tuple[Up, int]) -> None:
    up, http = running
    done = subprocess.run(
        ["curl", "-s", "-i", "-H", "host: notes.localhost", f"http://127.0.0.1:{http}/a?b=c"],
        capture_output=True,
        text=True,
        check=True,
        timeout=10,
    )
    assert done.stdout.startswith("HTTP/1.1 307")  # keeps the method
    assert f"location: https://notes.localhost:{up.https}/a?b=c" in done.stdout.lower()


def test_accounts_come_and_go(running: tuple[Up, int]) -> None:
    up, _ = running
    up.add_user("someone", "staff")
    up.add_user("other")
    listed = {one["name"]: one for one in json.loads(up.cli("user", "list", "--json").stdout)}
    assert listed["someone"]["groups"] == ["staff"]
    assert not listed["someone"]["disabled"]
    twice = up.cli("user", "add", "someone", "--generate", check=False)
    assert twice.returncode == 1
    assert "someone" in twice.stderr
    with closing(Person(up)) as person, closing(Person(up)) as late:
        assert person.sign_in("someone").status_code == 200
        up.cli("user", "disable", "someone")
        time.sleep(EXPIRED)
        assert person.ask("GET", "/").status_code == (403 if installed() else 401)
        ended = person.ask("GET", "/", headers=NAVIGATION)
        assert ended.status_code == (403 if installed() else 302)
        assert late.sign_in("someone").status_code != 200
        assert late.ask("GET", "/").status_code == 401
    assert "disabled" in up.cli("user", "list").stdout


@contextmanager
def _proxy(folder: Path, token: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """`ostiary proxy` with the token that `proxy-token` printed, or none when it has joined."""
    (folder / "token").write_text(token["token"])
    command = [str(OSTIARY), "proxy", "--control-plane", token["control_plane"]]
    options = ["--id", token["proxy"]]
    if token["token"]:
        options += ["--join-token-file", str(folder / "token")]
    with (folder / "proxy.out").open("wb") as out:
        process = subprocess.Popen(
            [*command, *options, "--state", str(folder / "elsewhere")], stdout=out, stderr=out
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_proxy_elsewhere_joins_serves_and_survives_us(tmp_path: Path) -> None:
    https, http = free_ports(2)
    with echo() as app:
        documents = lay_out(tmp_path, https, http, app)
        (tmp_path / "more" / "routes.yaml").write_text(
            "routes:\n  app: { host: notes.localhost, to: app, access: public }\n"
        )
        state = tmp_path / "state"
        with running_up(state, documents, "--no-proxies", https=https, ready=False) as up:
            until(lambda: up.cli("status", check=False).returncode == 0)
            assert up.red() == ["proxy-away"]
            assert sorted(tree(up.process.pid).values()) == ["ost-control-pla", "ost-login"]
            token = json.loads(up.cli("proxy-token", "main", "--json").stdout)
            with _proxy(tmp_path, token) as proxy:
                until(lambda: up.red() == [])
                with closing(Person(up)) as person:
                    assert person.ask("GET", "/x").json()["path"] == "/x"
                    up.process.send_signal(signal.SIGTERM)
                    up.process.wait(10)
                    assert person.ask("GET", "/x").status_code == 200
                envoys = list(tree(proxy.pid))
                assert envoys
                proxy.send_signal(signal.SIGTERM)
                assert proxy.wait(10) == 0
                assert not any(map(alive, envoys))
            with _proxy(tmp_path, {**token, "token": ""}), closing(Person(up)) as person:
                until(lambda: _serves(person))  # from its last good snapshot


def _serves(person: Person) -> bool:
    try:
        return person.ask("GET", "/x").status_code == 200
    except httpx.TransportError:
        return False
