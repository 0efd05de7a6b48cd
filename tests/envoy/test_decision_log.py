"""A real Envoy streams its decision log to us: who, what and why arrive, soon, over mutual TLS."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from logged_proxy import CLAIMS, Logged, ask_http1, ask_http2, logging
from signals_entries import EDGE

from ostiary.plan.native import Stage, read
from ostiary.plan.record import ALLOWS_LOG, DENIALS_LOG, DecisionRecord
from ostiary.wire import ASSERTION_KEY, SESSION_KEY, STALE_KEY

pytestmark = pytest.mark.envoy


@pytest.fixture
async def logged(tmp_path: Path) -> AsyncIterator[Logged]:
    async with logging(tmp_path, {SESSION_KEY: CLAIMS}) as found:
        yield found


async def test_an_allowed_request_is_told_with_all_that_mattered(logged: Logged) -> None:
    answer, decision = await logged.ask("GET", "/notes/1?token=secret")
    assert answer.status_code == 200
    record = await logged.find(decision)
    assert record._replace(time=0.0, duration=0.0) == DecisionRecord(
        id=decision,
        time=0.0,
        proxy=EDGE,
        log=ALLOWS_LOG,
        route="default/default/notes",
        policy="0123456789abcdef",
        host="notes.localhost",
        method="GET",
        path="/notes/1",
        code=200,
        details="direct_response",
        flags="",
        credential="session",
        subject="editor",
        email="editor@example.com",
        groups=("editors",),
        session_host="notes.localhost",
        sid="",
        group_set="",
        shadow="allowed",
        peer="",
        client="127.0.0.1",
        duration=0.0,
        upstream="",
        failure="",
        offline=False,
    )
    assert record.time > 1_700_000_000
    assert 0 < record.duration < 5


async def test_a_refusal_is_in_the_log_that_is_never_sampled(logged: Logged) -> None:
    answer, decision = await logged.ask("DELETE", "/notes/1")
    assert answer.status_code == 403
    record = await logged.find(decision)
    assert (record.log, record.method, record.shadow) == (DENIALS_LOG, "DELETE", "denied")
    assert read(record).stage is Stage.RULES


async def test_a_dead_upstream_is_a_failure_of_the_way(logged: Logged) -> None:
    answer, decision = await logged.ask("GET", "/dead")
    assert answer.status_code == 503
    record = await logged.find(decision)
    assert (record.log, record.upstream) == (DENIALS_LOG, "dead")
    assert "upstream_connection_failure" in record.flags
    assert read(record).stage is Stage.UPSTREAM


async def test_many_requests_all_arrive(logged: Logged) -> None:
    decisions = [(await logged.ask("GET", f"/{one}"))[1] for one in range(50)]
    assert len({(await logged.find(one)).id for one in decisions}) == 50
    counts = logged.writer.counts()
    assert (counts.dropped, counts.refused_streams) == (0, 0)


ODD = {
    "exp": 4_102_444_800,
    "sub": '-"],["\u2028|%REQ(cookie)% né',
    "email": "a,b\\@x",
    "groups": ["a,b", "c\x1fd", '"],["', "-"],
    "host": "notes.localhost",
    "sid": "-",
}


async def test_odd_names_arrive_as_they_are(tmp_path: Path) -> None:
    async with logging(tmp_path, {SESSION_KEY: ODD}) as logged:
        for method in ("GET", "DELETE"):
            record = await logged.find((await logged.ask(method, "/"))[1])
            assert (record.subject, record.email) == (ODD["sub"], ODD["email"])
            assert record.groups == ("a,b", "c\x1fd", '"],["', "-")
            assert record.session_host == "notes.localhost"
        assert logged.writer.counts().malformed == 0


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_a_separator_in_a_claim_is_told_and_forges_nothing(
    tmp_path: Path, method: str
) -> None:
    """`login` signs no such name; if it did, the entry would still not say somebody else."""
    root = ["session", "4102444800", "root", "root@x", "[]", "notes.localhost", "s", "g"]
    forged = CLAIMS | {"gv": "\x1f".join(["g", *root])}
    async with logging(tmp_path, {SESSION_KEY: forged}) as logged:
        record = await logged.find((await logged.ask(method, "/"))[1])
        assert (record.credential, record.subject, record.path) == ("", "", "")
        assert (record.route, record.proxy) == ("default/default/notes", EDGE)
        assert logged.writer.counts().malformed == 1


async def test_an_expired_session_is_told_in_a_refusal(tmp_path: Path) -> None:
    async with logging(tmp_path, {STALE_KEY: CLAIMS | {"exp": 1_700_000_000}}) as logged:
        refused = await logged.find((await logged.ask("DELETE", "/"))[1])
        assert (refused.credential, refused.subject, refused.offline) == (
            "expired",
            "editor",
            False,
        )
        passed = await logged.find((await logged.ask("GET", "/"))[1])
        assert (passed.credential, passed.subject) == ("", "")


async def test_a_session_over_its_time_that_passed_is_offline(tmp_path: Path) -> None:
    async with logging(tmp_path, {SESSION_KEY: CLAIMS | {"exp": 1_700_000_000}}) as logged:
        assert (await logged.find((await logged.ask("GET", "/"))[1])).offline


async def test_a_mini_gateway_tells_the_assertion(tmp_path: Path) -> None:
    async with logging(tmp_path, {ASSERTION_KEY: CLAIMS}, ASSERTION_KEY) as logged:
        for method in ("GET", "DELETE"):
            record = await logged.find((await logged.ask(method, "/"))[1])
            assert (record.credential, record.subject) == ("assertion", "editor")


async def test_hostile_bytes_cost_nobody_an_entry(logged: Logged) -> None:
    """Over HTTP/2 a path may have bytes that are no text; other controls never get past."""
    before = (await logged.ask("GET", "/before"))[1]
    for head in (
        (b"GET", b"/a\xff\xfeb", b"notes.localhost"),
        (b"GET", b"/a\x1fb", b"notes.localhost"),
        (b"GET", b"/", b"notes\x1flocalhost"),
        (b"G\x1fT", b"/", b"notes.localhost"),
        (b"GET", b"/a\x00b", b"notes.localhost"),
    ):
        await asyncio.to_thread(ask_http2, logged.url, *head)
    after = (await logged.ask("GET", "/after"))[1]
    for decision in (before, after):
        assert (await logged.find(decision)).subject == "editor"
    told = await asyncio.to_thread(logged.decisions.recent, 20)
    (text,) = (one for one in told if one.path == "/a\ufffd\ufffdb")
    assert (text.code, text.subject) == (200, "editor")
    refused = [one for one in told if one.details == "http2.invalid.header.field"]
    assert [(one.path, one.host, one.method) for one in refused] == [("", "", "")] * 4
    assert logged.writer.counts().malformed == 0


@pytest.mark.parametrize(
    ("head", "details"),
    [
        (b"GET /a\x1fb HTTP/1.1\r\nHost: h\r\n\r\n", "http1."),
        (b"GET /a\xffb HTTP/1.1\r\nHost: h\r\n\r\n", "http1."),
        (b"GET / HTTP/1.1\r\nHost: h\x1fx\r\n\r\n", "http1."),
        (b"GET / HTTP/1.1\r\nHost: h\r\nx-request-id: a\x1fb\r\n\r\n", "http1."),
        (b"G\x1fT / HTTP/1.1\r\nHost: h\r\n\r\n", "http1."),
        (b"GET / HTTP/1.1\r\nHost: h\xffx\r\n\r\n", "http.invalid_authority"),
    ],
)
async def test_a_line_that_is_no_http_is_told_without_it(
    logged: Logged, head: bytes, details: str
) -> None:
    await asyncio.to_thread(ask_http1, logged.url, head)
    (record,) = await logged.some()
    assert record.details.startswith(details)
    assert (record.code, record.log) == (400, DENIALS_LOG)
    assert (record.path, record.host, record.method) == ("", "", "")
    assert read(record).stage is Stage.PROTOCOL or details == "http.invalid_authority"


async def test_a_client_that_leaves_is_told(logged: Logged) -> None:
    with socket.create_server(("127.0.0.1", logged.dead)):  # it never answers
        head = b"GET /dead HTTP/1.1\r\nHost: notes.localhost\r\n\r\n"
        await asyncio.to_thread(ask_http1, logged.url, head)
        (record,) = await logged.some()
    assert (record.code, record.log, record.subject) == (0, ALLOWS_LOG, "editor")
    assert record.flags == "downstream_connection_termination"
    assert read(record).stage is Stage.CLIENT


async def test_what_happened_while_the_control_plane_was_away_is_told_later(
    logged: Logged,
) -> None:
    first = (await logged.ask("GET", "/first"))[1]
    await logged.find(first)
    await logged.control.stop()
    missed = []
    for method in ("GET", *["DELETE"] * 10):
        missed.append((await logged.ask(method, "/missed"))[1])
        await asyncio.sleep(0.12)  # each refusal is a message of its own
    await logged.control.start()
    for decision in missed:
        assert (await logged.find(decision)).path == "/missed"
