"""`ostiary demo` through its real entry point: what the README promises."""

from __future__ import annotations

import json
import shlex
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browserless import NAVIGATION, Person
from demo_process import Demo, running_demo

pytestmark = pytest.mark.envoy
SAME_ORIGIN = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with running_demo(tmp_path_factory.mktemp("demo") / "state") as running:
        yield running


@pytest.fixture
def person(demo: Demo) -> Iterator[Person]:
    someone = Person(demo)
    yield someone
    someone.close()


def test_the_facts_are_written_and_the_curl_line_works(demo: Demo) -> None:
    facts = demo.facts
    assert set(facts) == {"url", "ca", "accounts", "admin", "processes"}
    assert Path(facts["ca"]).is_absolute()
    assert {a["name"] for a in facts["accounts"]} == {"editor", "visitor"}
    assert all(Path(f"/proc/{p['pid']}").exists() for p in facts["processes"])
    line = next(s for s in map(str.strip, demo.said().splitlines()) if s.startswith("curl "))
    done = subprocess.run(
        [*shlex.split(line), "-sS", "-o", "-", "-w", "\n%{http_code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "401"
    assert "sign in" in done.stdout.lower()


def test_the_editor_reads_and_writes(demo: Demo, person: Person) -> None:
    page = person.sign_in("editor")
    assert page.status_code == 200
    assert page.url == demo.url + "/"
    written = person.ask("POST", "/notes", json={"text": "hello"}, headers=SAME_ORIGIN)
    assert written.status_code == 201
    assert {"text": "hello", "by": "editor"} in person.ask("GET", "/notes").json()
    assert "strict-transport-security" not in page.headers
    assert len(page.headers["x-ostiary-decision"]) >= 32


def test_a_deep_link_survives_the_sign_in(person: Person) -> None:
    page = person.sign_in("editor", url="/notes?from=mail&x=%26")
    assert str(page.url).endswith("/notes?from=mail&x=%26")


def test_the_visitor_is_told_why(demo: Demo, person: Person) -> None:
    page = person.sign_in("visitor")
    assert page.status_code == 403
    assert "editors" in page.text
    assert page.headers["x-ostiary-decision"] in page.text
    explained = demo.cli("explain", page.headers["x-ostiary-decision"]).stdout
    assert "visitor" in explained
    assert "editors" in explained


def test_every_answer_can_be_explained(demo: Demo, person: Person) -> None:
    answers = [
        person.ask("GET", "/notes"),
        person.ask("GET", "/", headers=NAVIGATION),
        person.ask("GET", "/a;b"),
    ]
    person.sign_in("editor")
    answers.append(person.ask("GET", "/notes"))
    answers.append(person.ask("DELETE", "/notes", headers=SAME_ORIGIN))
    answers.append(
        person.ask("POST", "/notes", json={}, headers={"origin": "https://evil.example"})
    )
    assert [a.status_code for a in answers] == [401, 302, 400, 200, 403, 403]
    time.sleep(1.5)
    for answer in answers:
        explained = demo.cli("explain", answer.headers["x-ostiary-decision"])
        assert explained.stdout.strip()
        assert "not recorded" not in explained.stdout


def test_the_application_cannot_be_reached_around_its_mini_gateway(demo: Demo) -> None:
    folder = demo.state / "notes"
    assert folder.stat().st_mode & 0o777 == 0o700
    listening = _listening_ports(demo.pid("notes"))
    assert listening == set()
    assert _answer_without_certificate(_mini_port(demo)) == b""


def test_the_mini_gateway_refuses_the_edge_without_an_assertion(demo: Demo) -> None:
    folder = next(p for p in (demo.state / "proxies").iterdir() if "gateway" in p.name)
    chain, key = _pem_of(folder)
    done = subprocess.run(
        [
            *("curl", "-sk", "--cert", chain, "--key", key, "--tlsv1.3", "-w", "\n%{http_code}"),
            *("-H", "host: notes.localhost", f"https://127.0.0.1:{_mini_port(demo)}/notes"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "403", done.stdout
    assert "assertion" in done.stdout


def test_status_is_green_and_lists_the_gateway(demo: Demo) -> None:
    status = json.loads(demo.cli("status", "--json").stdout)
    gateway = next(g for g in status["gateways"] if g["name"] == "main")
    assert {"listener": "https", "host": "127.0.0.1", "port": demo.port} in gateway["addresses"]
    assert gateway["namespace"] == "default"


def test_a_saved_change_applies_and_a_wrong_one_changes_nothing(demo: Demo, person: Person) -> None:
    document = demo.state / "demo.yaml"
    before = document.read_text()
    person.sign_in("editor")
    try:
        document.write_text(before.replace("groups: [editors], methods", "groups: [x], methods"))
        _until(lambda: person.ask("GET", "/notes").status_code == 403)
        document.write_text(before.replace("to: notes", "to: nowhere"))
        _until(lambda: "nowhere" in demo.said())
        assert person.ask("GET", "/notes").status_code == 403
    finally:
        document.write_text(before)
    _until(lambda: person.ask("GET", "/notes").status_code == 200)


def test_signing_out_ends_the_session_everywhere(demo: Demo, person: Person) -> None:
    person.sign_in("editor")
    origin = {"origin": demo.url, "sec-fetch-site": "same-origin", **NAVIGATION}
    page = person.ask(
        "POST", "/.ostiary/logout", headers={**origin, "sec-fetch-site": "same-origin"}
    )
    assert page.status_code in (200, 303)
    assert person.ask("GET", "/notes").status_code == 401


def test_sigterm_leaves_no_process(tmp_path: Path) -> None:
    with running_demo(tmp_path / "state") as demo:
        pids = [int(p["pid"]) for p in demo.facts["processes"]]
        demo.process.send_signal(signal.SIGINT)
        assert demo.process.wait(20) == 0
    assert not [pid for pid in pids if _alive(pid)]
    assert not (tmp_path / "state" / "demo.json").exists()


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _answer_without_certificate(port: int) -> bytes:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection(("127.0.0.1", port), 5) as raw,
            context.wrap_socket(raw) as secure,
        ):
            secure.sendall(b"GET /notes HTTP/1.1\r\nhost: notes.localhost\r\n\r\n")
            return secure.recv(100)
    except (ssl.SSLError, ConnectionError):
        return b""


def _listening_ports(pid: int) -> set[str]:
    inodes = {
        str(link.readlink()).removeprefix("socket:[").removesuffix("]")
        for link in Path(f"/proc/{pid}/fd").iterdir()
    }
    rows = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return {row.split()[1] for row in rows if row.split()[9] in inodes and row.split()[3] == "0A"}


def _mini_port(demo: Demo) -> int:
    text = (demo.state / "demo.yaml").read_text()
    return int(text.split("mini_gateway:")[1].split("port:")[1].split("}")[0])


def _pem_of(folder: Path) -> tuple[str, str]:
    svid = json.loads((folder / "sds" / "svid.json").read_text())
    found = json.dumps(svid)
    certificate = svid["resources"][0]["tls_certificate"]
    assert "certificate_chain" in found
    paths = []
    for part, suffix in (("certificate_chain", ".crt"), ("private_key", ".key")):
        source = certificate[part]
        if "filename" in source:
            name = Path(source["filename"])
            paths.append(str(name if name.is_absolute() else folder / name))
        else:
            out = folder / f"test{suffix}"
            out.write_text(source["inline_string"])
            paths.append(str(out))
    return paths[0], paths[1]
