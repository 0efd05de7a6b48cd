"""A look for verdicts among 1,000,000 costs a request at most 2 us more than in an empty table.

Two Envoys with the guard before the same application, one with an empty table, one with a million
verdicts on addresses. Requests come from 4,096 other addresses in turn. The second row is what the
table takes of the process: at most 200 MiB.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from _claim import Row, main, median
from _envoys import application
from _load import Load, Target
from _machine import cores, cpu, pin, proportional

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "envoy"))
import guard_library
from envoy_process import Envoy, free_port
from guard_control import Control, Held
from guard_origin import Origin
from guard_rig import Rig, running

MILLION: Final = 1_000_000
GOAL, MEMORY = 2.0, 200.0
BURSTS: Final = 40
_AT_ONCE: Final = 5_000
"""Verdicts in one message: a frame holds 1 MiB."""


def measure(quick: bool) -> Iterator[Row]:  # noqa: FBT001  the shape that main() asks for
    """Two rows: CPU and memory."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        backend, port = stack.enter_context(application(folder))
        empty = stack.enter_context(_guarded(folder / "empty", port))
        full = stack.enter_context(_guarded(folder / "full", port))
        before = proportional([full.envoy.process.pid])
        _fill(full, MILLION // 10 if quick else MILLION)
        taken = proportional([full.envoy.process.pid]) - before
        pin(backend, cores()[-1])
        pin(os.getpid(), cores()[-1])
        costs = _turns(stack, (empty.envoy, full.envoy), (empty, full), 5 if quick else 25)
        differences = [mine - theirs for theirs, mine in costs]
        note = ", ".join(f"{median(one):.1f} us" for one in zip(*costs, strict=True))
        note = f"{note}; {full.state['entries']} entries"
        yield Row("verdict_lookup, CPU", "us", median(differences), GOAL, note=note)
        yield Row("verdict_lookup, memory", "MiB", taken, MEMORY, note="of the whole process")


@contextmanager
def _guarded(folder: Path, application_port: int) -> Iterator[Rig]:
    guard_library.needed()
    folder.mkdir()
    ports = {name: free_port() for name in ("edge", "open", "mini", "control")}
    plane = Control(ports["control"])
    plane.start()
    try:
        with running(folder, ports, Origin(application_port, application_port)) as envoy:
            made = Rig(envoy, plane, Origin(application_port, application_port), ports)
            plane.settled()
            made.until(connected=True)
            pin(envoy.process.pid, cores()[0])
            yield made
    finally:
        plane.close()


def _fill(rig: Rig, count: int) -> None:
    """Verdicts on `count` addresses, the first from 10.0.0.0; the guard has them all."""
    for first in range(0, count, _AT_ONCE):
        numbers = range(first, min(count, first + _AT_ONCE))
        rig.control.put(*(Held("ADDRESS", _address(n), "SCORE", score=1) for n in numbers))
    rig.control.table.clear()


def _address(number: int) -> str:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def _turns(
    stack: ExitStack, envoys: tuple[Envoy, Envoy], rigs: tuple[Rig, Rig], rounds: int
) -> list[tuple[float, float]]:
    """CPU microseconds a request of both, round by round."""
    step = 40_503  # no two neighbours follow one another
    sources = [_address((12 << 20) + n * step % MILLION) for n in range(4096)]
    loads = []
    for rig in rigs:
        load = Load(Target(rig.ports["open"], tls=False, host="app.test", sources=sources))
        stack.callback(load.close)
        loads.append(load)
    found = []
    for number in range(rounds + 1):
        used, asked = [0.0, 0.0], [0, 0]
        for burst in range(BURSTS):
            for one in (0, 1) if burst % 2 else (1, 0):
                start = cpu([envoys[one].process.pid])
                asked[one] += loads[one].burst()
                time.sleep(0.002)
                used[one] += cpu([envoys[one].process.pid]) - start
        if number:  # the first warms up
            found.append((used[0] / asked[0] * 1e6, used[1] / asked[1] * 1e6))
    return found


if __name__ == "__main__":
    main(measure)
