"""A control plane that floods its guard: memory stays bounded, and what was denied stays denied."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from guard_clients import Plain, close_all
from guard_control import Held
from guard_rig import Rig, fresh_address, rig

from ostiary.verdicts.messages import KINDS, ToGuard

pytestmark = pytest.mark.envoy
MOST = 1_000_000
"""Verdicts that a guard holds."""
EXTRA = 50_000
EACH = 10_000
BOUND = 320
"""MiB that an Envoy may grow by. A million verdicts take 130 of them (`table_bench.rs`); the rest
is what a message needs while it is read, and what the allocator keeps."""


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[Rig]:
    with rig(tmp_path) as made:
        yield made
    close_all()


def memory(guard: Rig) -> int:
    """MiB of the whole Envoy."""
    status = Path(f"/proc/{guard.envoy.process.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) // 1024


def flood(guard: Rig, count: int) -> None:
    """`count` verdicts about as many users, as one message after another."""
    for start in range(0, count, EACH):
        message = ToGuard()
        delta = message.delta
        setattr(delta, "from", guard.control.seq)
        guard.control.seq += EACH
        delta.seq = guard.control.seq
        for number in range(start, start + EACH):
            put = delta.changes.add().put
            put.id, put.key = uuid.uuid4().bytes, f"user-{number}"
            put.kind, put.effect = KINDS.index("USER"), 1
            put.reason = f"r{number}"
        guard.control.send(message.SerializeToString())


def status(guard: Rig, path: str, address: str) -> int:
    return Plain(guard.ports["open"], address).ask(path).head().status


def test_a_flood_is_refused_where_the_table_ends_and_costs_a_bounded_amount(guard: Rig) -> None:
    denied = Held("ADDRESS", fresh_address())
    guard.control.put(denied)
    before = memory(guard)
    flood(guard, MOST + EXTRA)
    end = time.monotonic() + 60
    while guard.state["applied"] < guard.control.seq and time.monotonic() < end:
        assert status(guard, "/", fresh_address()) == 200
        time.sleep(0.05)
    guard.until(entries=MOST, refused=EXTRA + 1)
    assert memory(guard) - before < BOUND
    assert status(guard, "/", denied.key) == 403
    assert status(guard, "/trusted/", fresh_address()) == 503
    late = Held("ADDRESS", fresh_address())
    guard.control.put(late)
    assert status(guard, "/", late.key) == 200, "refused, which is why /trusted is denied"
    guard.control.table = {one.id: one for one in (denied, late)}
    guard.control.send(guard.control.snapshot())
    guard.until(entries=2, refused=0)
    assert status(guard, "/", late.key) == 403
    assert status(guard, "/trusted/", fresh_address()) == 200


def test_a_message_that_is_too_long_is_not_read(guard: Rig) -> None:
    denied = Held("ADDRESS", fresh_address())
    guard.control.put(denied)
    before, hellos = memory(guard), len(guard.control.hellos)
    for _ in range(5):
        guard.control.send(b"\0" * (16 << 20))
        guard.control.wait("hellos", hellos + 1)
        hellos = len(guard.control.hellos)
    assert memory(guard) - before < 64
    assert status(guard, "/", denied.key) == 403
