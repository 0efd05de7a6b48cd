"""Attacks on the whole: what a stranger, a visitor and a thief can do to a running demo."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import re
import socket
import ssl
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from browserless import NAVIGATION, Person
from demo_process import Demo, running_demo

pytestmark = pytest.mark.envoy
SIGN_IN = "login.localhost"
SESSION = "__Host-ostiary-session"
FORM = ("Content-Type: application/x-www-form-urlencoded", "Sec-Fetch-Site: same-origin")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with running_demo(tmp_path_factory.mktemp("attacked") / "state") as running:
        yield running


@pytest.fixture(scope="module")
def editor(demo: Demo) -> Iterator[Person]:
    someone = Person(demo)
    assert someone.sign_in("editor").status_code == 200
    yield someone
    someone.close()


@pytest.fixture
def stranger(demo: Demo) -> Iterator[Person]:
    someone = Person(demo)
    yield someone
    someone.close()


def _wire(demo: Demo, source: str = "127.0.0.1") -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=demo.facts["ca"])
    raw = socket.create_connection(("127.0.0.1", demo.port), 10, (source, 0))
    return context.wrap_socket(raw, server_hostname=SIGN_IN)


def _page(demo: Demo, source: str) -> int:
    with _wire(demo, source) as wire:
        wire.sendall(f"GET /sign-in HTTP/1.1\r\nHost: {SIGN_IN}\r\n\r\n".encode())
        answer = http.client.HTTPResponse(wire)
        answer.begin()
        return answer.status


def _active_at_login(demo: Demo) -> int:
    """Requests that `login` holds now, as the gateway counts them."""
    with socket.socket(socket.AF_UNIX) as admin:
        admin.connect(str(demo.state / "proxies" / "gateway-main" / "admin.sock"))
        admin.sendall(b"GET /clusters HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        said = b""
        while chunk := admin.recv(65_536):
            said += chunk
    found = re.search(rb"^ostiary-login::[^\n]*::rq_active::(\d+)", said, re.MULTILINE)
    assert found, said
    return int(found[1])


def test_slow_forms_occupy_nothing_of_login(demo: Demo) -> None:
    head = f"POST /sign-in HTTP/1.1\r\nHost: {SIGN_IN}\r\nContent-Length: 100\r\n"
    slow = [_wire(demo, "127.0.0.3") for _ in range(12)]
    try:
        for wire in slow:
            wire.sendall((head + "\r\n".join(FORM) + "\r\n\r\nusername=e").encode())
        time.sleep(0.5)
        assert _active_at_login(demo) == 0
        assert _page(demo, "127.0.0.4") == 200
    finally:
        for wire in slow:
            wire.close()


def test_a_form_that_is_too_large_is_not_taken(demo: Demo) -> None:
    with _wire(demo, "127.0.0.3") as wire:
        head = f"POST /sign-in HTTP/1.1\r\nHost: {SIGN_IN}\r\nContent-Length: 20000\r\n"
        wire.sendall((head + "\r\n".join(FORM) + "\r\n\r\n").encode() + b"a" * 20_000)
        answer = http.client.HTTPResponse(wire)
        answer.begin()
        assert answer.status == 413


def test_a_stranger_who_hammers_our_pages_is_shed_and_others_are_not(demo: Demo) -> None:
    said: Counter[int] = Counter()
    with _wire(demo, "127.0.0.5") as wire:
        for _ in range(320):
            wire.sendall(f"GET /sign-in HTTP/1.1\r\nHost: {SIGN_IN}\r\n\r\n".encode())
            answer = http.client.HTTPResponse(wire)
            answer.begin()
            answer.read()
            said[answer.status] += 1
    assert set(said) == {200, 429}
    assert _page(demo, "127.0.0.6") == 200


def _encoded(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def _decoded(part: str) -> dict[str, object]:
    return dict(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))))


def test_no_other_token_is_a_session(editor: Person, stranger: Person) -> None:
    token = editor.cookie(SESSION)
    head, body, signature = token.split(".")
    claims = _decoded(body)
    kid = _decoded(head)["kid"]
    by_key = f"{_encoded({'alg': 'HS256', 'kid': kid})}.{body}"
    mac = hmac.new(str(kid).encode(), by_key.encode(), hashlib.sha256).digest()
    forged = {
        "assertion": str(claims["assertion"]),
        "none": f"{_encoded({'alg': 'none'})}.{body}.",
        "none with kid": f"{_encoded({'alg': 'none', 'kid': kid})}.{body}.{signature}",
        "hs256": f"{by_key}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}",
        "jku": f"{_encoded({'alg': 'ES256', 'kid': 'x', 'jku': 'https://evil'})}.{body}.{signature}",
        "changed": f"{head}.{_encoded({**claims, 'groups': ['admins']})}.{signature}",
        "unsigned": f"{head}.{body}.",
    }
    said = {
        name: stranger.ask("GET", "/notes", headers={"cookie": f"{SESSION}={one}"}).status_code
        for name, one in forged.items()
    }
    assert set(said.values()) == {401}, said
    bearer = {"authorization": f"Bearer {token}"}
    assert stranger.ask("GET", "/notes", headers=bearer).status_code == 401
    assert stranger.ask("GET", f"/notes?access_token={token}").status_code == 401
    cookie = {"cookie": f"{SESSION}={token}"}
    elsewhere = f"https://{SIGN_IN}:{stranger.demo.port}/sign-in"
    assert stranger.ask("GET", "/notes", headers=cookie).status_code == 200
    assert "editor" not in stranger.client.get(elsewhere, headers=cookie).text


@pytest.mark.parametrize(
    "cookie",
    [
        "{name}=x; {name}={token}",
        "{name}={token}; {name}=x",
        "{name}={token}; {name}={token}",
        "{name} ={token}",
        "={name}={token}",
        "a=b, {name}={token}",
        "__host-ostiary-session={token}",
    ],
)
def test_a_cookie_that_two_could_read_differently_opens_nothing(
    editor: Person, stranger: Person, cookie: str
) -> None:
    header = cookie.format(name=SESSION, token=editor.cookie(SESSION))
    assert stranger.ask("GET", "/notes", headers={"cookie": header}).status_code in {400, 401}


@pytest.mark.parametrize(
    "to",
    [
        "https://evil.example/",
        "//evil.example",
        "https://notes.localhost:{port}@evil.example/",
        "https://notes.localhost:{port}.evil.example/",
        "https://notes.localhost:{port}\\@evil.example",
        "https://notes.localhost:1/",
        "http://notes.localhost:{port}/",
        "https://notes.localhost./",
        "https://login.localhost:{port}/",
        "javascript:alert(1)",
        "",
    ],
)
def test_sign_in_leads_nowhere_but_to_an_application(stranger: Person, to: str) -> None:
    port = stranger.demo.port
    query = f"start={'a' * 36}&to={to.format(port=port)}"
    answer = stranger.client.get(f"https://{SIGN_IN}:{port}/sign-in?{query}", headers=NAVIGATION)
    assert answer.status_code == 400
    assert "evil" not in answer.text
    assert "set-cookie" not in answer.headers


def test_no_page_of_ours_can_be_framed_or_kept(stranger: Person) -> None:
    answer = stranger.client.get(f"https://{SIGN_IN}:{stranger.demo.port}/sign-in")
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "private, no-store"


def test_secrets_stand_in_no_log_and_no_argument(demo: Demo, editor: Person) -> None:
    known = [
        editor.cookie(SESSION),
        editor.cookie("__Host-ostiary-refresh"),
        demo.password("editor"),
        (demo.state / "admin.token").read_text().strip(),
    ]
    logs = [*(demo.state / "log").iterdir(), *(demo.state / "proxies").glob("*/envoy.log")]
    for text in [*(log.read_bytes() for log in logs), (demo.state / "ostiary.db").read_bytes()]:
        assert not any(one.encode() in text for one in known)
    wal = demo.state / "ostiary.db-wal"
    assert not any(one.encode() in wal.read_bytes() for one in known)
    assert b"PRIVATE KEY" not in wal.read_bytes() + (demo.state / "ostiary.db").read_bytes()
    for process in demo.facts["processes"]:
        line = Path(f"/proc/{process['pid']}/cmdline").read_bytes()
        assert not any(one.encode() in line for one in known)


def test_nobody_else_on_this_machine_can_read_the_state(demo: Demo) -> None:
    assert demo.state.stat().st_mode & 0o077 == 0
    for name in ("demo.json", "admin.token", "state.key", "ostiary.db", "ostiary.db-wal"):
        assert (demo.state / name).stat().st_mode & 0o077 == 0, name
