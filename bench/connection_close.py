"""A denial resets a raw connection within 5 ms and closes an idle one within 100 ms (p99).

What the guard keeps for a connection is 2 kB at most, and it forgets every one of 3,000 that come
and go while verdicts and filter chains change. A control plane of a few lines (that of the tests)
writes verdicts to the guard in a real Envoy; the clock stops when the client, Python like it, sees
the end. Memory is what 4,000 idle connections add to Envoy with the filter and without.
"""

from __future__ import annotations

import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from _claim import Row, main, percentile

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "envoy"))
from connection_churn import churn
from connection_rig import Connections, connection_rig, fresh_peer, fresh_source
from guard_clients import Plain, close_all
from guard_control import Held

RESET, CLOSED, KEPT = 5.0, 100.0, 2.0
_IDLE, _BEFORE, _SWAPPED = 4000, 1000, 1.5


def measure(quick: bool) -> Iterator[Row]:  # noqa: FBT001  the shape that main() asks for
    """How soon, how much, and whether anything is lost."""
    count = 30 if quick else 300
    with tempfile.TemporaryDirectory() as folder, connection_rig(Path(folder)) as rig:
        raw = sorted(_times(rig, _raw, count))
        idle = sorted(_times(rig, _idle, count))
    for name, values, goal in (("raw reset", raw, RESET), ("idle closed", idle, CLOSED)):
        note = f"p50 {percentile(values, 0.5):.2f} ms, n {count}"
        yield Row(f"connection_close, {name}, p99", "ms", percentile(values, 0.99), goal, note=note)
    kept = _kilobytes(guarded=True) - _kilobytes(guarded=False)
    yield Row("connection_close, kept for a connection", "kB", kept, KEPT)
    with tempfile.TemporaryDirectory() as folder, connection_rig(Path(folder), workers=2) as rig:
        told = churn(rig, 3000 if quick else 20_000, "tcp")
    note = f"of {told.cut + told.refused + told.passed}; {told.changes} changes of verdicts"
    yield Row("connection_close, verdicts lost", "connections", told.lost, 0, note=note)


def _raw(rig: Connections) -> tuple[Plain, Held]:
    source = fresh_source()
    client = Plain(rig.ports["tcp"], source=source).ask("/sse").until(b"data: x")
    return client, Held("ADDRESS", source)


def _idle(rig: Connections) -> tuple[Plain, Held]:
    peer = fresh_peer()
    client = Plain(rig.ports["mini"], context=rig.identity(peer)).ask("/echo").answer()
    return client, Held("WORKLOAD", peer)


def _times(
    rig: Connections, make: Callable[[Connections], tuple[Plain, Held]], count: int
) -> Iterator[float]:
    """Milliseconds from the verdict's writing to the end that the client sees."""
    for _ in range(count):
        client, held = make(rig)
        start = time.perf_counter()
        rig.control.put(held)
        client.until_closed()
        yield (time.perf_counter() - start) * 1000
        rig.control.lift(held)
        close_all()


def _kilobytes(*, guarded: bool) -> float:
    """What one of many idle connections, each from an address of its own, adds to Envoy."""
    with tempfile.TemporaryDirectory() as folder, connection_rig(Path(folder)) as rig:
        rig.swap(guarded=guarded)
        time.sleep(_SWAPPED)
        opened: list[socket.socket] = []
        before = _open(rig, opened, _BEFORE)
        after = _open(rig, opened, _BEFORE + _IDLE)
        for one in opened:
            one.close()
        return (after - before) / _IDLE


def _open(rig: Connections, opened: list[socket.socket], count: int) -> int:
    """`count` connections are open; the kilobytes that Envoy has then."""
    for number in range(len(opened), count):
        source = (f"127.20.{number // 250}.{number % 250 + 1}", 0)
        opened.append(
            socket.create_connection(("127.0.0.1", rig.ports["edge"]), source_address=source)
        )
    name = f"listener.127.0.0.1_{rig.ports['edge']}.downstream_cx_active"
    while int(rig.envoy.admin(f"/stats?filter=^{name}$").rpartition(":")[2]) < count:
        time.sleep(0.02)
    status = Path(f"/proc/{rig.envoy.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


if __name__ == "__main__":
    main(measure)
