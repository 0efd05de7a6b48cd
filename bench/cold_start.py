"""From the command to the first 200: `ostiary up` with an empty store in at most 1.5 seconds.

The page cache is warm and Python has its bytecode, as after `tools/bootstrap`. The state directory
does not exist: keys, both authorities, certificates and the database are made within this time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

from _claim import Row, main, median
from _envoys import application
from _load import Target
from _machine import moment
from _ostiary import HOST, await_ok, folder, started, write_document

GOAL = 1.5
ROUTES = """\
services: {{app: {{at: ["127.0.0.1:{port}"]}}}}
routes: {{app: {{host: {host}, to: app, access: public}}}}
"""


def measure(quick: bool) -> Iterator[Row]:  # noqa: FBT001  the shape that main() asks for
    """One row: the median of several starts, the first left out."""
    times, noisy = [], []
    for _ in range(4 if quick else 8):
        seconds, loud = once()
        times.append(seconds)
        noisy.append(loud)
    kept = times[1:]
    told = f"{min(kept):.2f} to {max(kept):.2f} s"
    loud = 2 * sum(noisy[1:]) > len(kept)
    yield Row("cold_start", "s", median(kept), GOAL, noisy=loud, note=told)


def once() -> tuple[float, bool]:
    """One cold start: seconds to the first 200, and whether others disturbed it."""
    with ExitStack() as stack:
        home = stack.enter_context(folder())
        backend, port = stack.enter_context(application(home))
        file, https = write_document(home, ROUTES.format(port=port, host=HOST))
        target = Target(https, tls=True, host=HOST)
        before, begun = moment([backend]), time.monotonic()
        stack.enter_context(started(home, file, home / "state"))
        seconds = await_ok(target, 30) - begun
    return seconds, before.noisy(moment([]))


if __name__ == "__main__":
    main(measure)
