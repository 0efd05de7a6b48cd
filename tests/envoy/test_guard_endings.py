"""How an answer that is already open ends when a verdict comes, in every protocol (real Envoy)."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import grpc
import h2.events
import pytest
import websockets.exceptions
import websockets.sync.client
from guard_clients import Http2, Plain, close_all
from guard_control import Held
from guard_rig import COOKIE, DELAYED_CLOSE, Rig, fresh_address, fresh_user, rig, session

pytestmark = pytest.mark.envoy
_KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
_UPGRADE = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", _KEY)
SOON = 0.5
"""Seconds: a machine that does much else is slow; measured alone it is a millisecond."""


@pytest.fixture(scope="module")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One Envoy for all: every test has its own user and its own address."""
    with rig(tmp_path_factory.mktemp("endings")) as made:
        yield made


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    close_all()


def deny(guard: Rig, user: str, kind: str = "USER") -> Held:
    """A verdict on `user` that is enforced."""
    held = Held(kind, user)
    guard.control.put(held)
    return held


def test_events_end_with_a_last_one_that_says_why(guard: Rig) -> None:
    user = fresh_user()
    client = Plain(guard.ports["edge"], token=session(user)).ask("/sse?last")
    client.until(b"data: x")
    held = deny(guard, user)
    client.until(b"\r\n0\r\n\r\n")
    assert client.took < SOON
    last = client.raw.rpartition(b"event: revoked\n")[2]
    said = json.loads(last.removeprefix(b"data: ").partition(b"\n\n")[0])
    assert (said["reason"], said["effect"], said["verdict"]) == ("stolen", "deny", str(held.id))
    assert said["since"].endswith("Z")
    assert client.ask("/echo").head().status == 403
    entry = guard.logged("/sse?last")
    assert (entry["code"], entry["flags"]) == (200, "OTV")
    assert entry["trust"]["verdict"] == str(held.id)
    assert entry["trust"]["effect"] == "deny"


def test_within_an_event_the_body_breaks_off_instead(guard: Rig) -> None:
    user = fresh_user()
    client = Plain(guard.ports["edge"], token=session(user)).ask("/half-event")
    client.until(b"data: ha")
    deny(guard, user)
    client.until_closed()
    assert client.took < SOON
    assert b"revoked" not in client.raw
    assert not client.raw.endswith(b"0\r\n\r\n")


def test_any_other_body_is_cut_off_visibly(guard: Rig) -> None:
    user = fresh_user()
    client = Plain(guard.ports["edge"], token=session(user)).ask("/bytes?cut")
    client.until(b"xxx")
    deny(guard, user)
    client.until_closed()
    assert client.took < SOON
    assert not client.raw.endswith(b"0\r\n\r\n")
    entry = guard.logged("/bytes?cut")
    assert (entry["flags"], entry["details"]) == ("OTV", "ostiary.trust_denied")


@pytest.mark.parametrize(("kind", "status"), [("USER", 403), ("SESSION", 401), ("PROVIDER", 403)])
def test_a_request_that_waits_is_refused_like_a_new_one(guard: Rig, kind: str, status: int) -> None:
    user = fresh_user()
    token = session(user, how=f"provider-of-{user} pwd {int(time.time())}")
    key = {"USER": user, "SESSION": f"sid-{user}", "PROVIDER": f"provider-of-{user}"}[kind]
    path = f"/slow?{kind}"
    client = Plain(guard.ports["edge"], token=token).ask(path)
    guard.until_more_streams()
    held = deny(guard, key, kind)
    client.head()
    assert client.took < SOON
    assert client.status == status
    entry = guard.logged(path)
    assert (entry["code"], entry["flags"]) == (status, "OTV")
    assert entry["trust"]["verdict"] == str(held.id)


def test_a_head_request_that_waits_is_refused_without_a_body(guard: Rig) -> None:
    user = fresh_user()
    client = Plain(guard.ports["edge"], token=session(user)).ask("/slow", method="HEAD")
    guard.until_more_streams()
    deny(guard, user)
    assert client.head().status == 403
    assert client.body == b""


def test_a_verdict_on_an_address_reaches_whoever_comes_from_it(guard: Rig) -> None:
    address, other = fresh_address(), fresh_address()
    ended = Plain(guard.ports["open"], address).ask("/sse").until(b"data: x")
    stays = Plain(guard.ports["open"], other).ask("/sse").until(b"data: x")
    guard.control.put(Held("ADDRESS", address))
    ended.until(b"revoked")
    stays.raw = b""
    stays.until(b"data: x")
    assert Plain(guard.ports["open"], address).ask("/").head().status == 403
    assert Plain(guard.ports["open"], other).ask("/").head().status == 200


def test_a_range_of_addresses_is_denied_and_let_in_again(guard: Rig) -> None:
    held = Held("ADDRESS", "2001:db8:7::/48")
    client = Plain(guard.ports["open"], "2001:db8:7::1").ask("/sse").until(b"data: x")
    guard.control.put(held)
    client.until(b"revoked")
    inside, outside = "2001:db8:7:ffff::9", "2001:db8:8::1"
    assert Plain(guard.ports["open"], inside).ask("/").head().status == 403
    assert Plain(guard.ports["open"], outside).ask("/").head().status == 200
    guard.control.lift(held)
    assert Plain(guard.ports["open"], inside).ask("/").head().status == 200


def test_one_stream_of_a_connection_ends_and_the_others_notice_nothing(guard: Rig) -> None:
    client = Http2(guard.ports["edge"])
    users = [fresh_user() for _ in range(3)]
    streams = [client.ask("/bytes", token=session(user)) for user in users]
    events = client.ask("/sse", token=session(users[0]))
    for stream in (*streams, events):
        client.until(h2.events.DataReceived, stream)
    deny(guard, users[0])
    reset = client.until(h2.events.StreamReset, streams[0])
    assert isinstance(reset, h2.events.StreamReset)
    client.until(h2.events.StreamEnded, events)
    assert b"event: revoked" in client.data(events)
    before = [len(client.data(stream)) for stream in streams[1:]]
    later = time.monotonic() + 0.2
    while time.monotonic() < later:
        client.read()
    for stream, size in zip(streams[1:], before, strict=True):
        assert len(client.data(stream)) > size
    assert not any(isinstance(one, h2.events.ConnectionTerminated) for one in client.seen)
    assert client.status(client.ask("/echo", token=session(users[1]))) == 200
    assert client.status(client.ask("/echo", token=session(users[0]))) == 403


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("USER", grpc.StatusCode.PERMISSION_DENIED, 7),
        ("SESSION", grpc.StatusCode.UNAUTHENTICATED, 16),
    ],
)
def test_grpc_is_told_in_its_own_words_and_never_ok(
    guard: Rig, kind: str, status: grpc.StatusCode, code: int
) -> None:
    user = fresh_user()
    key = user if kind == "USER" else f"sid-{user}"
    metadata = (("cookie", f"{COOKIE}={session(user)}"),)
    channel: Any
    with grpc.insecure_channel(f"127.0.0.1:{guard.ports['edge']}") as channel:
        watch = channel.unary_stream("/test.T/Watch")(b"w", metadata=metadata)
        assert next(watch) == b"w"
        waiting = channel.unary_unary("/test.T/Wait").future(b"x", metadata=metadata)
        other = channel.unary_stream("/test.T/Watch")(b"o", metadata=(("x-a", "b"),))
        next(other)
        guard.until_more_streams()
        deny(guard, key, kind)
        with pytest.raises(grpc.RpcError) as ended:
            for _ in watch:
                pass
        assert ended.value.code() is status
        with pytest.raises(grpc.RpcError) as refused:
            waiting.result(5)
        assert refused.value.code() is status
        with pytest.raises(grpc.RpcError) as new:
            channel.unary_unary("/test.T/Echo")(b"x", metadata=metadata, timeout=5)
        assert (new.value.code(), new.value.code().value[0]) == (status, code)
        assert next(other) == b"o"
        other.cancel()


@contextlib.contextmanager
def connect(guard: Rig, path: str, user: str) -> Iterator[websockets.sync.client.ClientConnection]:
    """A WebSocket that has been greeted."""
    with websockets.sync.client.connect(
        f"ws://127.0.0.1:{guard.ports['edge']}{path}",
        additional_headers={"Cookie": f"{COOKIE}={session(user)}"},
        proxy=None,
        close_timeout=0.2,
    ) as made:
        assert made.recv(5) == "hello"
        yield made


def test_a_websocket_is_closed_with_1008_and_the_reason(guard: Rig) -> None:
    user, other = fresh_user(), fresh_user()
    with connect(guard, "/ws?close", user) as mine, connect(guard, "/ws?stay", other) as stays:
        held = deny(guard, user)
        start = time.perf_counter()
        with pytest.raises(websockets.exceptions.ConnectionClosed) as closed:
            mine.recv(5)
        assert time.perf_counter() - start < SOON
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1008, "stolen")
        with pytest.raises(TimeoutError):
            stays.recv(0.1)
    entry = guard.logged("/ws?close")
    assert (entry["code"], entry["flags"]) == (101, "OTV")
    assert entry["trust"]["verdict"] == str(held.id)


def test_a_websocket_within_a_frame_is_closed_behind_it(guard: Rig) -> None:
    user = fresh_user()
    with connect(guard, "/ws/slow", user) as mine:
        # The frame goes on 200 ms after the greeting, and the patience is 50 ms.
        time.sleep(0.17)
        guard.control.put(Held("USER", user))
        assert mine.recv(5) == b"x" * 100
        with pytest.raises(websockets.exceptions.ConnectionClosed) as closed:
            mine.recv(5)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008


def test_a_websocket_that_never_ends_its_frame_ends_all_the_same(guard: Rig) -> None:
    user = fresh_user()
    with connect(guard, "/ws/stuck", user) as mine:
        start = time.perf_counter()
        deny(guard, user)
        with pytest.raises(websockets.exceptions.ConnectionClosed) as closed:
            mine.recv(5)
        assert 0.04 < time.perf_counter() - start < SOON
        assert closed.value.rcvd is None


def test_the_connection_of_a_stuck_websocket_ends_with_it(guard: Rig) -> None:
    user = fresh_user()
    client = Plain(guard.ports["edge"], token=session(user))
    client.ask("/ws/stuck", *_UPGRADE).until(b"xxxx")
    deny(guard, user)
    client.until_closed()
    assert client.took < DELAYED_CLOSE


def test_a_websocket_over_http2_is_closed_the_same_way(guard: Rig) -> None:
    user = fresh_user()
    client = Http2(guard.ports["edge"])
    client.until_settings()
    stream = client.ask(
        "/ws", token=session(user), method="CONNECT", protocol="websocket",
        sec_websocket_version="13", sec_websocket_key="dGhlIHNhbXBsZSBub25jZQ==",
    )  # fmt: skip
    assert client.status(stream) == 200
    client.until(h2.events.DataReceived, stream)
    deny(guard, user)
    client.until_over(stream)
    assert client.data(stream).endswith(b"\x88\x08\x03\xf0stolen")


def test_a_refused_upgrade_is_an_answer_like_any_other(guard: Rig) -> None:
    user = fresh_user()
    client = Plain(guard.ports["edge"], token=session(user))
    client.ask("/refuse", *_UPGRADE).answer()
    assert (client.status, client.body) == (403, b"no")
    deny(guard, user)
    assert guard.state["version"]


def test_a_stream_under_two_verdicts_ends_once(guard: Rig) -> None:
    user, address = fresh_user(), fresh_address()
    client = Plain(guard.ports["edge"], address, session(user)).ask("/sse?twice")
    client.until(b"data: x")
    cuts = guard.state["cuts"]
    one = Held("USER", user, reason="first")
    two = [Held("SESSION", f"sid-{user}", reason="second"), Held("ADDRESS", address)]
    guard.control.put(one, *two)
    client.until(b"\r\n0\r\n\r\n")
    assert client.raw.count(b"revoked") == 1
    assert guard.state["cuts"] == cuts + 1
    assert guard.logged("/sse?twice")["flags"] == "OTV"


@pytest.mark.parametrize("effect", ["SCORE", "LIMIT"])
def test_what_does_not_end_a_stream_leaves_it_alone(guard: Rig, effect: str) -> None:
    user = fresh_user()
    client = Plain(guard.ports["edge"], token=session(user)).ask("/sse").until(b"data: x")
    guard.control.put(Held("USER", user, effect, score=70, rate=5, per_ms=60_000))
    client.raw = b""
    client.until(b"data: x\n\n\r\n9\r\ndata: x")


def test_a_step_up_ends_streams_of_those_who_signed_in_before_it(guard: Rig) -> None:
    user, now = fresh_user(), int(time.time())
    before = Plain(guard.ports["edge"], token=session(user, auth_time=now - 100))
    after = Plain(guard.ports["edge"], token=session(user, auth_time=now + 1))
    before.ask("/sse").until(b"data: x")
    after.ask("/sse").until(b"data: x")
    guard.control.put(Held("USER", user, "STEP_UP"))
    before.until(b'"effect":"step-up"')
    after.raw = b""
    after.until(b"data: x")
    assert before.ask("/?old").head().status == 401
    assert guard.logged("/?old")["details"] == "ostiary.trust_step_up"
    assert Plain(guard.ports["edge"], token=after.token).ask("/").head().status == 200


def test_many_streams_of_one_user_all_end(guard: Rig) -> None:
    user = fresh_user()
    client = Http2(guard.ports["edge"])
    streams = [client.ask("/sse", token=session(user)) for _ in range(80)]
    for stream in streams:
        client.until(h2.events.DataReceived, stream)
    deny(guard, user)
    for stream in streams:
        client.until(h2.events.StreamEnded, stream)
        assert b"revoked" in client.data(stream)


def test_clients_that_leave_at_any_moment_do_no_harm(guard: Rig) -> None:
    """Whoever leaves while a verdict is on its way: no crash, and no stream is counted for ever."""
    user = fresh_user()
    held = Held("USER", user)
    over = threading.Event()

    def verdicts() -> None:
        while not over.is_set():
            guard.control.put(held)
            guard.control.lift(held)

    judge = threading.Thread(target=verdicts)
    judge.start()
    try:
        token = session(user)
        for path in ("/sse", "/slow", "/bytes", "/echo") * 60:
            Plain(guard.ports["edge"], token=token).ask(path).close()
        for _ in range(10):
            client = Http2(guard.ports["edge"])
            for path in ("/sse", "/slow", "/bytes", "/echo") * 5:
                client.ask(path, token=token)
            client.close()
    finally:
        over.set()
        judge.join()
    assert Plain(guard.ports["edge"], token=token).ask("/echo").answer().status == 200


def test_no_stream_is_left_over_when_all_clients_are_gone(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with rig(tmp_path_factory.mktemp("left")) as guard:
        user = fresh_user()
        clients = [Plain(guard.ports["edge"], token=session(user)) for _ in range(20)]
        for client in clients:
            client.ask("/sse").until(b"data: x")
        assert guard.state["streams"] == 20
        for client in clients[:10]:
            client.close()
        guard.until(streams=10)
        deny(guard, user)
        guard.until(streams=0)
        assert guard.state["cuts"] == 10
