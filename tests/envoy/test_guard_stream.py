"""The stream of verdicts under a real Envoy: what is lost or wrong never lets anybody in."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from guard_clients import Plain, close_all
from guard_control import Held
from guard_rig import STALE_AFTER, Rig, fresh_address, fresh_user, rig, running, session

pytestmark = pytest.mark.envoy


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[Rig]:
    """An Envoy of its own for each: these tests break what others need."""
    with rig(tmp_path) as made:
        yield made


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    close_all()


def status(guard: Rig, path: str = "/echo", address: str = "", token: str = "") -> int:
    """Of one request, by cookie or by address."""
    port = guard.ports["edge" if token else "open"]
    return Plain(port, address, token).ask(path).head().status


def test_a_broken_line_is_taken_up_where_it_broke(guard: Rig) -> None:
    address = fresh_address()
    guard.control.put(Held("ADDRESS", address))
    guard.control.hang_up()
    guard.control.wait("hellos", 2)
    again = guard.control.hellos[-1]
    assert (again.epoch, again.applied) == ("first", guard.control.seq)
    assert status(guard, address=address) == 403


def test_whoever_missed_something_gets_everything(guard: Rig) -> None:
    kept, gone = Held("ADDRESS", fresh_address()), Held("ADDRESS", fresh_address())
    guard.control.put(kept, gone)
    guard.control.table.pop(gone.id)
    guard.control.epoch, guard.control.seq = "second", 7
    guard.control.hang_up()
    guard.control.settled()
    guard.until(epoch="second", applied=7, entries=1)
    assert status(guard, address=kept.key) == 403
    assert status(guard, address=gone.key) == 200


@pytest.mark.parametrize("what", ["garbage", "gap"])
def test_what_makes_no_sense_is_dropped_and_asked_for_again(guard: Rig, what: str) -> None:
    held = Held("ADDRESS", fresh_address())
    guard.control.put(held)
    if what == "gap":
        # Changes after one that never came.
        guard.control.seq += 5
    guard.control.send(b"\xff\xff\xff" if what == "garbage" else b"\x12\x04\x08\x63\x10\x64")
    guard.control.wait("hellos", 2)
    guard.control.settled()
    assert status(guard, address=held.key) == 403


def test_a_control_plane_that_comes_late_is_found(tmp_path: Path) -> None:
    with rig(tmp_path, control=False) as guard:
        address = fresh_address()
        assert guard.state["fresh_ms"] is None
        assert status(guard, address=address) == 200
        assert status(guard, "/trusted", address) == 503
        guard.control.start()
        guard.control.settled()
        guard.control.put(Held("ADDRESS", address))
        assert status(guard, address=address) == 403


def test_a_refusal_of_the_stream_is_no_verdict(guard: Rig) -> None:
    guard.control.refusal = grpc.StatusCode.PERMISSION_DENIED
    guard.control.hang_up()
    guard.until(connected=False)
    assert status(guard) == 200
    guard.control.refusal = None
    guard.control.wait("hellos", 2)
    guard.until(connected=True)


def test_without_a_word_trust_becomes_stale_and_comes_back(guard: Rig) -> None:
    address = fresh_address()
    assert status(guard, "/trusted?1", address) == 200
    guard.control.heartbeats = False
    time.sleep(STALE_AFTER + 0.3)
    assert status(guard, "/trusted?2", address) == 503
    assert guard.logged("/trusted?2")["details"] == "ostiary.trust_stale"
    assert status(guard, "/keeping", address) == 200
    assert status(guard, "/echo", address) == 200
    guard.control.heartbeats = True
    time.sleep(0.6)
    assert status(guard, "/trusted?3", address) == 200


def test_verdicts_outlive_the_proxy_and_are_stale_until_confirmed(guard: Rig) -> None:
    address = fresh_address()
    guard.control.put(Held("ADDRESS", address))
    time.sleep(5.5)
    guard.envoy.stop()
    guard.control.stop()
    with running(guard.envoy.folder, guard.ports, guard.origin) as guard.envoy:
        assert status(guard, address=address) == 403
        assert status(guard, "/trusted", fresh_address()) == 503
        guard.control.start()
        guard.until(connected=True)
        time.sleep(0.6)
        assert status(guard, "/trusted", fresh_address()) == 200


def test_a_limit_lets_some_through_and_says_when_to_come_again(guard: Rig) -> None:
    address = fresh_address()
    guard.control.put(Held("ADDRESS", address, "LIMIT", rate=2, per_ms=60_000))
    assert [status(guard, address=address) for _ in range(2)] == [200, 200]
    refused = Plain(guard.ports["open"], address).ask("/echo?limited").head()
    assert refused.status == 429
    assert b"retry-after: " in refused.raw
    assert guard.logged("/echo?limited")["details"] == "ostiary.trust_limited"


def test_the_rules_read_the_score(guard: Rig) -> None:
    address, user = fresh_address(), fresh_user()
    assert status(guard, "/risky?none", address) == 200
    assert guard.logged("/risky?none")["trust"] == {"risk": 0}
    guard.control.put(Held("USER", user, "SCORE", score=70))
    assert status(guard, "/risky?some", token=session(user)) == 200
    assert guard.logged("/risky?some")["trust"]["risk"] == 70


def test_a_verdict_that_is_over_holds_no_longer(guard: Rig) -> None:
    address = fresh_address()
    guard.control.put(Held("ADDRESS", address, expires=time.time() + 0.6))
    assert status(guard, address=address) == 403
    time.sleep(0.8)
    assert status(guard, address=address) == 200
