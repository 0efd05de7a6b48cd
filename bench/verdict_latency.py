"""A verdict is enforced, and an open stream has ended, 5 ms after it was written (p99).

A control plane of a few lines (that of the tests) writes verdicts to the guard in a real Envoy. The
clock stops when the control plane reads the guard's acknowledgement, and when the client of an open
stream of events reads its last one; both are Python and count as ours.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from _claim import Row, main, median, percentile

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "envoy"))
from guard_clients import Plain, close_all
from guard_control import Held
from guard_rig import fresh_address, rig

GOAL = 5.0


def measure(quick: bool) -> Iterator[Row]:  # noqa: FBT001  the shape that main() asks for
    """Two rows: enforced, and ended."""
    enforced: list[float] = []
    ended: list[float] = []
    with tempfile.TemporaryDirectory() as folder, rig(Path(folder)) as guard:
        for _ in range(50 if quick else 500):
            held = Held("ADDRESS", fresh_address())
            client = Plain(guard.ports["open"], held.key).ask("/sse").until(b"data: x")
            start = time.perf_counter()
            enforced.append(guard.control.put(held) * 1000)
            client.until(b"revoked")
            ended.append((time.perf_counter() - start) * 1000)
            guard.control.lift(held)
            close_all()
    for name, values in (("enforced", enforced), ("stream ended", ended)):
        note = f"p50 {median(values):.2f} ms, n {len(values)}"
        yield Row(f"verdict_latency, {name}, p99", "ms", percentile(values, 0.99), GOAL, note=note)


if __name__ == "__main__":
    main(measure)
