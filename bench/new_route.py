"""A file renamed into the watched folder, until the first 200: p50 <= 30 ms, p99 <= 80 ms.

With 0, 1,000 and 5,000 routes present. Each file has a host and a service of its own, so a new one
needs a cluster, its endpoints and a scope. Meanwhile the routes that are there are asked all the
time, and none of those requests may fail.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from _claim import Row, main, percentile
from _envoys import application, free_port
from _load import Target, connect
from _machine import moment
from _many import host, route, write_folder
from _ostiary import Running, await_ok, folder, serving, status

PRESENT = (0, 1000, 5000)
MIDDLE, LATE = 30, 80
PATIENCE = 10.0
BETWEEN = 0.15
"""Seconds from one new route to the next."""


def measure(quick: bool) -> Iterator[Row]:  # noqa: FBT001  the shape that main() asks for
    """Three rows for each number of routes present."""
    for present in PRESENT:
        with ExitStack() as stack:
            home = stack.enter_context(folder())
            backend, port = stack.enter_context(application(home))
            https = free_port()
            watched = write_folder(home, https, port, max(1, present))
            edge = stack.enter_context(serving(home, watched, https, 120))
            last = f"r{max(1, present) - 1}"
            await_ok(Target(https, tls=True, host=host(last)), 60)
            time.sleep(2)
            ours = [backend, edge.envoy(), *edge.pythons()]
            before = moment(ours)
            with Others(https, max(1, present)) as others:
                times = [appear(watched, edge, port, n) for n in range(15 if quick else 100)]
            noisy = before.noisy(moment(ours))
        name = f"new_route, {present} present"
        told = f"{min(times):.0f} to {max(times):.0f} ms"
        yield Row(f"{name}, p50", "ms", percentile(times, 0.5), MIDDLE, noisy=noisy, note=told)
        yield Row(f"{name}, p99", "ms", percentile(times, 0.99), LATE, noisy=noisy)
        told = f"of {others.asked}"
        yield Row(f"{name}, failed on others", "requests", others.failed, 0, note=told)


def appear(watched: Path, edge: Running, port: int, number: int) -> float:
    """Milliseconds from the rename of one more file to the first 200 of its host."""
    name = f"n{number}"
    target = Target(edge.port, tls=True, host=host(name))
    fresh = watched.parent / f"{name}.yaml"
    fresh.write_text(route(name, port))
    with connect(target) as one:
        status(one, target)
        begun = time.perf_counter()
        shutil.move(fresh, watched)
        while status(one, target) != 200:
            if time.perf_counter() - begun > PATIENCE:
                raise TimeoutError(f"{name} did not appear")
            time.sleep(0.0005)
        taken = time.perf_counter() - begun
    time.sleep(BETWEEN)
    return taken * 1000


class Others:
    """Asks the routes that are there, about 300 times a second, and counts."""

    def __init__(self, port: int, present: int) -> None:
        self._port, self._present = port, present
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.asked = self.failed = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _ask(self) -> None:
        with connect(Target(self._port, tls=True, host=host("r0"))) as one:
            while not self._over.wait(0.003):
                name = f"r{self.asked * 7 % self._present}"
                target = Target(self._port, tls=True, host=host(name))
                self.asked += 1
                self.failed += status(one, target) != 200


if __name__ == "__main__":
    main(measure)
