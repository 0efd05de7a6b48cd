"""Trust withdrawn while somebody is at work, through the real entry points: nothing lives on."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from browserless import NAVIGATION, Person
from demo_process import Demo, running_demo
from loopback import loopback_client

from ostiary.plan.record import DecisionRecord
from ostiary.proxy.guard import installed
from ostiary.store.database import Database
from ostiary.store.decisions import Decisions

pytestmark = [
    pytest.mark.envoy,
    pytest.mark.skipif(not installed(), reason="the wheel ostiary-guard is not installed"),
]
SAME_ORIGIN = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}
LIVE = "/live"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    # Not on the usual port: while its gateway is killed another test's demo could take it, and
    # then two gateways of different demos would share it.
    with contextlib.ExitStack() as held:
        taken = held.enter_context(socket.socket())
        with contextlib.suppress(OSError):
            taken.bind(("127.0.0.1", 8443))
            taken.listen()
        running = running_demo(tmp_path_factory.mktemp("trust") / "state")
        demo = held.enter_context(running)
        taken.close()
        assert demo.port != 8443
        yield demo


@pytest.fixture
def editor(demo: Demo) -> Iterator[Person]:
    someone = Person(demo)
    assert someone.sign_in("editor").status_code == 200
    yield someone
    someone.close()
    demo.cli("verdict", "lift", "user", "editor", check=False)


class LivePage(threading.Thread):
    """Reads the live page until it ends."""

    def __init__(self, person: Person) -> None:
        super().__init__(daemon=True)
        self.text = ""
        self.opened = threading.Event()
        self._person = person

    def run(self) -> None:
        url = self._person.demo.url + LIVE
        try:
            with self._person.client.stream("GET", url, headers=SAME_ORIGIN, timeout=20) as answer:
                assert answer.status_code == 200, answer.status_code
                for piece in answer.iter_text():
                    self.opened.set()
                    self.text += piece
        except httpx.HTTPError as error:
            self.text += repr(error)

    @classmethod
    def of(cls, person: Person) -> LivePage:
        page = cls(person)
        page.start()
        return page


def test_a_verdict_ends_the_live_page_and_says_why(demo: Demo, editor: Person) -> None:
    page = LivePage.of(editor)
    assert page.opened.wait(10)
    put = (
        "verdict",
        "put",
        "user",
        "editor",
        "--reason",
        "left-company",
        "--why",
        "gone since May",
    )
    said = demo.cli(*put)
    assert "enforced at 2 of 2 gateways" in said.stderr
    page.join(5)
    assert not page.is_alive()
    assert "event: revoked" in page.text
    assert '"reason":"left-company"' in page.text
    refused = editor.ask("GET", "/notes", headers=SAME_ORIGIN)
    assert refused.status_code == 403
    assert "left-company" in refused.text
    explained = demo.cli("explain", refused.headers["x-ostiary-decision"]).stdout
    verdict = said.stdout.strip()
    assert f"by administrator, who said: gone since May; it holds; `ostiary audit {verdict}`" in (
        " ".join(explained.split())
    )
    assert "gone since May" in demo.cli("audit", verdict).stdout
    with contextlib.closing(Person(demo)) as again:
        assert again.sign_in("editor").status_code == 403
    demo.cli("verdict", "lift", "user", "editor")
    assert editor.ask("GET", "/notes", headers=SAME_ORIGIN).status_code == 200


def test_a_token_that_was_copied_dies_with_the_logout(demo: Demo, editor: Person) -> None:
    token = editor.cookie("__Host-ostiary-session")
    thief = loopback_client(demo.facts["ca"])
    thief.headers.update({"cookie": f"__Host-ostiary-session={token}", **SAME_ORIGIN})
    assert thief.get(demo.url + "/notes").status_code == 200
    page = editor.ask(
        "POST",
        "/.ostiary/logout",
        headers={**NAVIGATION, "sec-fetch-site": "same-origin", "origin": demo.url},
    )
    assert "Every gateway refuses it already" in page.text
    refused = thief.get(demo.url + "/notes")
    assert refused.status_code == 401
    thief.close()


def test_a_step_up_asks_for_a_fresh_sign_in_and_no_more(demo: Demo, editor: Person) -> None:
    time.sleep(1.1)  # sign-ins are counted in whole seconds
    demo.cli("verdict", "put", "user", "editor", "--effect", "step-up", "--reason", "new-place")
    refused = editor.ask("GET", "/notes", headers=SAME_ORIGIN)
    assert refused.status_code == 401
    assert "insufficient_user_authentication" in refused.headers["www-authenticate"]
    time.sleep(1.1)
    page = editor.sign_in("editor", url="/notes")
    assert (page.status_code, page.url.path) == (200, "/notes")
    assert editor.ask("GET", "/notes", headers=SAME_ORIGIN).status_code == 200
    demo.cli("verdict", "lift", "user", "editor")


def test_a_killed_session_and_a_disabled_account_end_at_once(demo: Demo, editor: Person) -> None:
    page = LivePage.of(editor)
    assert page.opened.wait(10)
    sid = demo.cli("session", "list", "editor").stdout.split()[0]
    demo.cli("session", "kill", sid)
    page.join(5)
    assert '"reason":"ended-by-administrator"' in page.text
    assert editor.ask("GET", "/notes", headers=SAME_ORIGIN).status_code == 401
    with contextlib.closing(Person(demo)) as other:
        assert other.sign_in("editor").status_code == 200
        demo.cli("user", "disable", "editor")
        refused = other.ask("GET", "/notes", headers=SAME_ORIGIN)
        assert refused.status_code == 403
        assert "account-disabled" in refused.text
    demo.cli("user", "enable", "editor")
    with contextlib.closing(Person(demo)) as back:
        assert back.sign_in("editor").status_code == 200


def test_a_revoked_gateway_gets_no_connection_to_a_resource(demo: Demo, editor: Person) -> None:
    assert editor.ask("GET", "/notes", headers=SAME_ORIGIN).status_code == 200
    gateway = "spiffe://demo.ostiary/default/default/gateway/main"
    verdict = demo.cli("verdict", "put", "workload", gateway, "--reason", "key-stolen").stdout
    try:
        # For a moment the edge's connection is still open, and each request in it is refused.
        assert editor.ask("GET", "/notes", headers=SAME_ORIGIN).status_code in {403, 502}
        _until(lambda: editor.ask("GET", "/notes", headers=SAME_ORIGIN).status_code == 502)
        with contextlib.closing(Database.in_folder(demo.state)) as database:
            log = Decisions(database)

            def closed() -> list[DecisionRecord]:
                """A connection that was closed has no method; a request in it has one."""
                mine = [one for one in log.recent(50, denied=True) if not one.method]
                return [one for one in mine if one.verdict == verdict.strip()]

            _until(closed)
            record = closed()[0]
        assert (record.peer, record.details) == (gateway, "ostiary.trust_denied")
        assert "closed the connection" in demo.cli("explain", record.id).stdout
    finally:
        demo.cli("verdict", "lift", "workload", gateway)
    assert editor.ask("GET", "/notes", headers=SAME_ORIGIN).status_code == 200


@pytest.mark.parametrize(
    "victims", [["control-plane"], ["login"], ["envoy-gateway-main", "proxy-gateway-main"]]
)
def test_whatever_is_killed_a_deny_stays_a_deny(
    demo: Demo, editor: Person, victims: list[str]
) -> None:
    demo.cli("verdict", "put", "user", "editor", "--reason", "left-company")
    assert editor.ask("GET", "/notes", headers=SAME_ORIGIN).status_code == 403
    for victim in victims:
        os.kill(demo.pid(victim), signal.SIGKILL)
    answers = set()
    deadline = time.monotonic() + 6
    while time.monotonic() < deadline:
        try:
            answers.add(editor.ask("GET", "/notes", headers=SAME_ORIGIN).status_code)
        except httpx.HTTPError:
            answers.add(0)
        time.sleep(0.05)
    assert 200 not in answers, answers
    _until(lambda: demo.cli("verdict", "lift", "user", "editor", check=False).returncode == 0)
    _until(lambda: editor.ask("GET", "/notes", headers=SAME_ORIGIN).status_code == 200)


def _until(true: Callable[[], bool], patience: float = 20.0) -> None:
    deadline = time.monotonic() + patience
    while True:
        try:
            if true():
                return
        except httpx.HTTPError:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.2)
