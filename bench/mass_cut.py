"""9,000 open streams are cut at once within 1.5 s, and nobody else waits longer than 20 ms for it.

One verdict on a range of addresses; the clock stops when the client of the last stream has read its
last event. Meanwhile a program in a process of its own calls gRPC through the same Envoy, one call
after the other; its slowest call while the streams end is the stall, and the slowest of the second
before is told beside it.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection

import grpc
from _claim import Row, main
from _streams import MANY, RANGE, Streams, guarded
from guard_control import Held

WHOLE, STALL = 1.5, 20.0
_PATIENCE = 30.0


def measure(quick: bool) -> Iterator[Row]:  # noqa: FBT001  the shape that main() asks for
    """Two rows: until the last has ended, and the longest stall of others."""
    rounds = 1 if quick else 3
    taken, stalls, quiet = [], [], []
    for _ in range(rounds):
        with guarded() as rig:
            streams = Streams(rig.ports["open"], MANY // 3 if quick else MANY)
            count = len(streams.open)
            with _others(rig.ports["open"]) as line:
                quiet.append(_slowest(line, after=1.0))
                held = Held("ADDRESS", RANGE)
                start = time.perf_counter()
                rig.control.put(held)
                ends = [at for _, at in streams.ended(_PATIENCE)]
                taken.append(max(ends) - start)
                stalls.append(_slowest(line))
            streams.close()
            if len(ends) != count:
                raise AssertionError(f"{count - len(ends)} streams never ended")
    note = f"{rounds} rounds of {count} streams"
    yield Row("mass_cut, all ended", "s", max(taken), WHOLE, note=note)
    note = f"slowest before: {max(quiet):.1f} ms"
    yield Row("mass_cut, worst stall of others", "ms", max(stalls), STALL, note=note)


@contextlib.contextmanager
def _others(port: int) -> Iterator[Connection]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_call, args=(port, there), daemon=True)
    process.start()
    here.recv()
    try:
        yield here
    finally:
        here.close()
        process.join(10)


def _slowest(line: Connection, after: float = 0.0) -> float:
    """Milliseconds of the slowest call since the last time this was asked."""
    time.sleep(after)
    line.send(True)
    return float(line.recv()) * 1000


def _call(port: int, line: Connection) -> None:
    """One call after the other until nobody asks any more."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel, contextlib.suppress(EOFError):
        echo = channel.unary_unary("/test.Bench/Echo")
        echo(b"x", timeout=5)
        line.send(True)
        slowest = 0.0
        while True:
            start = time.perf_counter()
            echo(b"x", timeout=5)
            slowest = max(slowest, time.perf_counter() - start)
            if line.poll():
                line.recv()
                line.send(slowest)
                slowest = 0.0


if __name__ == "__main__":
    main(measure)
