"""Connections of a denied workload or address are closed, raw and idle ones too (real Envoy)."""

from __future__ import annotations

import contextlib
import ssl
import time
import uuid
from collections.abc import Iterator
from typing import Any

import h2.events
import pytest
from connection_churn import churn
from connection_rig import STALE_AFTER, Connections, connection_rig, fresh_peer, fresh_source
from guard_clients import Http2, Plain, close_all
from guard_control import Held

from ostiary.compiler.logs import DENIALS
from ostiary.plan.native import read
from ostiary.protos.messages import otlp, otlp_logs, otlp_service
from ostiary.signals.export import export_request
from ostiary.signals.parse import parse

pytestmark = pytest.mark.envoy
SOON = 0.5
"""Seconds: a machine that does much else is slow; alone it takes 1 ms, or 52 ms below HTTP."""


@pytest.fixture(scope="module")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connections]:
    """One Envoy for all: every test has its own addresses and its own peers."""
    with connection_rig(tmp_path_factory.mktemp("connections")) as made:
        yield made


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    close_all()


def streaming(client: Plain) -> Plain:
    """Something comes, again and again."""
    return client.ask("/sse").until(b"data: x")


def goes_on(client: Plain) -> None:
    """It still comes."""
    client.raw = b""
    client.until(b"data: x")


def refused(port: int, source: str = "", context: ssl.SSLContext | None = None) -> None:
    """A new connection gets not a byte, if it gets through at all."""
    with contextlib.suppress(OSError):
        client = Plain(port, source=source, context=context)
        assert client.ask("/echo").until_closed().raw == b""


def test_a_raw_connection_of_a_denied_address_is_reset(guard: Connections) -> None:
    source = fresh_source()
    ended = streaming(Plain(guard.ports["tcp"], source=source))
    stays = streaming(Plain(guard.ports["tcp"], source=fresh_source()))
    held = Held("ADDRESS", source)
    guard.control.put(held)
    ended.until_closed()
    assert ended.reset
    assert ended.took < SOON
    goes_on(stays)
    entry = guard.closed(source)
    assert entry["details"] == entry["close"] == "ostiary.trust_denied"
    assert entry["trust"]["verdict"] == str(held.id)
    assert (entry["trust"]["effect"], entry["trust"]["reason"]) == ("deny", "stolen")


def _entry(text: str) -> Any:
    """As it reaches the control plane."""
    entry = otlp_logs.LogRecord(body=otlp.AnyValue(string_value=text))
    resource = otlp_logs.ResourceLogs(scope_logs=[otlp_logs.ScopeLogs(log_records=[entry])])
    sent = otlp_service.ExportLogsServiceRequest(resource_logs=[resource])
    found = export_request().FromString(sent.SerializeToString())
    return found.resource_logs[0].scope_logs[0].log_records[0]


def test_the_log_tells_of_connections_that_the_guard_closed_and_of_no_others(
    guard: Connections,
) -> None:
    source = fresh_source()
    Plain(guard.ports["tcp"], source=source).ask("/echo").answer().close()
    guard.closed(source)
    client = streaming(Plain(guard.ports["tcp"], source=source))
    held = Held("ADDRESS", source)
    guard.control.put(held)
    client.until_closed()
    refused(guard.ports["tcp"], source=source)
    end = time.monotonic() + 5
    while len(told := [one for one in guard.told() if source in one]) < 2:
        assert time.monotonic() < end
        time.sleep(0.02)
    records = [parse(_entry(one), "spiffe://test/gateway/main", DENIALS) for one in told]
    assert {(one.client, one.verdict, one.effect, one.reason) for one in records} == {
        (source, str(held.id), "deny", "stolen")
    }
    assert {one.details for one in records} == {"ostiary.trust_denied"}
    assert {one.code for one in records} == {0}
    assert len({uuid.UUID(one.id) for one in records}) == 2
    assert "closed the connection" in read(records[0]).sentence


def test_a_range_reaches_every_raw_connection_in_it(guard: Connections) -> None:
    inside = [streaming(Plain(guard.ports["tcp"], source=f"127.9.1.{n}")) for n in (1, 2, 255)]
    outside = streaming(Plain(guard.ports["tcp"], source="127.9.2.1"))
    guard.control.put(Held("ADDRESS", "127.9.1.0/24"))
    for client in inside:
        client.until_closed()
        assert client.reset
    goes_on(outside)


def test_a_raw_connection_of_a_revoked_workload_is_reset(guard: Connections) -> None:
    peer, other = fresh_peer(), fresh_peer()
    ended = streaming(Plain(guard.ports["tls"], context=guard.identity(peer)))
    stays = streaming(Plain(guard.ports["tls"], context=guard.identity(other)))
    held = Held("WORKLOAD", peer)
    guard.control.put(held)
    ended.until_closed()
    assert ended.took < SOON
    goes_on(stays)
    assert guard.closed(peer)["trust"]["verdict"] == str(held.id)


def test_any_name_of_a_certificate_may_be_revoked(guard: Connections) -> None:
    first, second = fresh_peer(), fresh_peer()
    client = streaming(Plain(guard.ports["tls"], context=guard.identity(first, second)))
    guard.control.put(Held("WORKLOAD", second))
    client.until_closed()
    assert client.took < SOON


def test_a_new_raw_connection_of_who_is_denied_reaches_nothing(guard: Connections) -> None:
    source, peer = fresh_source(), fresh_peer()
    on_address, on_peer = Held("ADDRESS", source), Held("WORKLOAD", peer)
    guard.control.put(on_address, on_peer)
    before = guard.reached()
    refused(guard.ports["tcp"], source=source)
    refused(guard.ports["tls"], context=guard.identity(peer))
    assert guard.reached() == before
    guard.control.lift(on_address, on_peer)
    streaming(Plain(guard.ports["tcp"], source=source))
    streaming(Plain(guard.ports["tls"], context=guard.identity(peer)))
    assert guard.reached() == before + 2


@pytest.mark.parametrize("effect", ["STEP_UP", "SCORE", "LIMIT"])
def test_less_than_a_denial_closes_no_connection(guard: Connections, effect: str) -> None:
    source = fresh_source()
    client = streaming(Plain(guard.ports["tcp"], source=source))
    guard.control.put(Held("ADDRESS", source, effect, score=90, rate=1, per_ms=1000))
    goes_on(client)
    streaming(Plain(guard.ports["tcp"], source=source))
    guard.control.put(Held("ADDRESS", source))
    client.until_closed()
    assert client.reset


def test_a_raw_connection_may_need_a_table_that_is_fresh(guard: Connections) -> None:
    before = guard.reached()
    open_before = streaming(Plain(guard.ports["fresh"]))
    guard.control.heartbeats = False
    try:
        time.sleep(STALE_AFTER + 0.5)
        refused(guard.ports["fresh"])
        streaming(Plain(guard.ports["tcp"]))
    finally:
        guard.control.heartbeats = True
    goes_on(open_before)
    while guard.state["fresh_ms"] > 500:
        time.sleep(0.05)
    streaming(Plain(guard.ports["fresh"]))
    assert guard.reached() == before + 3


def test_an_idle_connection_of_a_revoked_workload_is_closed(guard: Connections) -> None:
    peer, other = fresh_peer(), fresh_peer()
    identity = guard.identity(peer)
    ended = Plain(guard.ports["mini"], context=identity).ask("/echo").answer()
    stays = Plain(guard.ports["mini"], context=guard.identity(other)).ask("/echo").answer()
    ended.raw = b""
    held = Held("WORKLOAD", peer)
    guard.control.put(held)
    ended.until_closed()
    assert ended.took < SOON
    assert ended.raw == b""
    assert guard.closed(peer)["trust"]["verdict"] == str(held.id)
    assert stays.ask("/echo").answer().status == 200
    refused(guard.ports["mini"], context=identity)
    guard.control.lift(held)
    assert Plain(guard.ports["mini"], context=identity).ask("/echo").answer().status == 200


def test_what_is_under_way_ends_in_its_own_way_before_the_connection(guard: Connections) -> None:
    peer = fresh_peer()
    client = Plain(guard.ports["mini"], context=guard.identity(peer)).ask("/sse?under-way")
    client.until(b"data: x")
    guard.control.put(Held("WORKLOAD", peer))
    client.until_closed()
    assert client.took < SOON
    assert b"event: revoked\n" in client.raw
    assert client.raw.endswith(b"\r\n0\r\n\r\n")


def test_a_denied_client_loses_its_idle_connection_and_reads_why_on_the_next(
    guard: Connections,
) -> None:
    source = fresh_source()
    idle = Plain(guard.ports["edge"], source=source).ask("/echo").answer()
    stays = Plain(guard.ports["edge"], source=fresh_source()).ask("/echo").answer()
    guard.control.put(Held("ADDRESS", source))
    idle.until_closed()
    assert idle.took < SOON
    assert not idle.reset
    assert stays.ask("/echo").answer().status == 200
    again = Plain(guard.ports["edge"], source=source).ask("/echo").head()
    assert again.status == 403


def test_every_stream_of_a_denied_address_ends_before_its_connection(guard: Connections) -> None:
    source = fresh_source()
    client = Http2(guard.ports["edge"], source)
    streams = [client.ask("/sse"), client.ask("/sse"), client.ask("/slow")]
    for one in streams[:2]:
        client.until(h2.events.DataReceived, one)
    time.sleep(0.1)
    guard.control.put(Held("ADDRESS", source))
    for one in streams:
        client.until_over(one)
    assert b"event: revoked\n" in client.data(streams[0])
    assert b"event: revoked\n" in client.data(streams[1])
    assert client.status(streams[2]) == 403
    with pytest.raises(AssertionError, match="was closed"):
        client.until(h2.events.ConnectionTerminated, 0)


def test_hundreds_of_idle_connections_are_closed_and_forgotten(guard: Connections) -> None:
    close_all()
    guard.until(connections=0)
    for number in range(400):
        Plain(guard.ports["tcp"], source=f"127.10.{number // 250}.{number % 250 + 1}")
    guard.until(connections=400)
    held = Held("ADDRESS", "127.10.0.0/16")
    guard.control.put(held)
    guard.until(connections=0)
    guard.control.lift(held)


@pytest.mark.parametrize(("kind", "count"), [("tcp", 3000), ("tls", 2000), ("edge", 1500)])
def test_connections_come_and_go_while_verdicts_and_filter_chains_change(
    kind: str, count: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with connection_rig(tmp_path_factory.mktemp("churn"), workers=2) as made:
        told = churn(made, count, kind)
        assert told.lost == 0
        assert told.cut > 0
        assert told.passed > 0
        assert told.swaps > 0
