"""What is open on a route with `trust` ends when the table has no trust to give (real Envoy)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import websockets.exceptions
import websockets.sync.client
from guard_clients import Plain, close_all
from guard_control import Held
from guard_rig import STALE_AFTER, Rig, fresh_address, rig

pytestmark = pytest.mark.envoy
TICK = 0.1
"""Seconds between two looks of the guard."""
SOON = 1.0


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[Rig]:
    """An Envoy of its own for each: a silent control plane concerns everybody."""
    with rig(tmp_path) as made:
        yield made


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    close_all()


def ask(guard: Rig, path: str) -> Plain:
    return Plain(guard.ports["open"], fresh_address()).ask(path)


def test_each_kind_ends_in_its_own_words_and_only_there(guard: Rig) -> None:
    events = ask(guard, "/trusted/sse?end").until(b"data: x")
    body = ask(guard, "/trusted/bytes?end").until(b"xxx")
    waiting = ask(guard, "/trusted/slow?end")
    others = [ask(guard, path).until(b"data: x") for path in ("/sse", "/keeping/sse")]
    address = f"127.0.0.1:{guard.ports['open']}"
    channel: Any
    with (
        websockets.sync.client.connect(f"ws://{address}/trusted/ws", proxy=None) as socket,
        grpc.insecure_channel(address) as channel,
    ):
        assert socket.recv(5) == "hello"
        watch = channel.unary_stream("/test.Trusted/Watch")(b"w")
        assert next(watch) == b"w"
        guard.until_more_streams()
        begun = time.monotonic()
        guard.control.heartbeats = False
        events.until(b"\r\n0\r\n\r\n")
        took = time.monotonic() - begun
        assert STALE_AFTER - 0.5 < took < STALE_AFTER + TICK + SOON
        assert b'event: suspended\ndata: {"reason":"trust-stale"}\n\n' in events.raw
        body.until_closed()
        assert not body.raw.endswith(b"0\r\n\r\n")
        assert waiting.head().status == 503
        assert b"retry-after: 5" in waiting.raw
        with pytest.raises(websockets.exceptions.ConnectionClosed) as closed:
            socket.recv(5)
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1013, "trust-stale")
        with pytest.raises(grpc.RpcError) as ended:
            for _ in watch:
                pass
        assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
    for path in ("/trusted/sse?end", "/trusted/slow?end"):
        trust = guard.logged(path)["trust"]
        assert (trust["effect"], trust["reason"]) == ("refuse", "trust-stale")
    for other in others:
        other.raw = b""
        other.until(b"data: x")
    guard.control.heartbeats = True
    time.sleep(0.6)
    again = ask(guard, "/trusted/sse").until(b"data: x")
    again.raw = b""
    time.sleep(2 * TICK)
    again.until(b"data: x")


def test_what_comes_and_goes_all_the_time_is_never_left_open(guard: Rig) -> None:
    guard.control.heartbeats = False
    streams, end = [], time.monotonic() + STALE_AFTER + 1
    refused = 0
    while time.monotonic() < end:
        one = ask(guard, "/trusted/sse").head()
        if one.status == 200:
            streams.append(one)
        else:
            refused += 1
        time.sleep(0.005)
    assert len(streams) > 50
    assert refused > 10
    for one in streams:
        one.until(b"\r\n0\r\n\r\n")
    guard.until(streams=0)


def test_grpc_is_refused_without_a_verdict_and_the_log_knows_it(guard: Rig) -> None:
    guard.control.heartbeats = False
    time.sleep(STALE_AFTER + 0.3)
    channel: Any
    with (
        grpc.insecure_channel(f"127.0.0.1:{guard.ports['open']}") as channel,
        pytest.raises(grpc.RpcError) as refused,
    ):
        channel.unary_unary("/test.Trusted/Echo")(b"x", timeout=5)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    entry = guard.logged("/test.Trusted/Echo")
    assert entry["code"] == 200
    assert entry["trust"] == {"effect": "refuse", "reason": "trust-stale"}


def test_the_last_table_is_trusted_again_by_a_resumed_stream(guard: Rig) -> None:
    held = Held("ADDRESS", fresh_address())
    guard.control.put(held)
    guard.control.stop()
    time.sleep(STALE_AFTER + 0.5)
    assert ask(guard, "/trusted/").head().status == 503
    assert Plain(guard.ports["open"], held.key).ask("/").head().status == 403
    guard.control.start()
    guard.until(connected=True)
    time.sleep(0.6)
    assert ask(guard, "/trusted/").head().status == 200
    assert Plain(guard.ports["open"], held.key).ask("/").head().status == 403
