"""The control plane, all its processes, at 1,000 routes: at most 150 MiB (PSS).

Supervisor, control plane and `login`. The agents that stand beside the proxies are a row of their
own, so that nothing is hidden; Envoy itself is in neither.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

from _claim import Row, main
from _envoys import application, free_port
from _load import Target
from _machine import proportional
from _many import host, write_folder
from _ostiary import Running, await_ok, folder, serving

GOAL = 150
ROUTES = 1000
AGENT = "ost-proxy-"


def measure(quick: bool) -> Iterator[Row]:  # noqa: FBT001  the shape that main() asks for
    """One row for the control plane, one with the agents."""
    with ExitStack() as stack:
        home = stack.enter_context(folder())
        _, port = stack.enter_context(application(home))
        https = free_port()
        watched = write_folder(home, https, port, ROUTES)
        edge = stack.enter_context(serving(home, watched, https))
        await_ok(Target(https, tls=True, host=host(f"r{ROUTES - 1}")), 30)
        time.sleep(2 if quick else 5)
        yield from rows(edge)


def rows(edge: Running) -> Iterator[Row]:
    """What its processes take now."""
    named = edge.pythons()
    sizes = {pid: proportional([pid]) for pid in named}
    ours = {pid: size for pid, size in sizes.items() if not named[pid].startswith(AGENT)}
    told = ", ".join(f"{named[pid]} {size:.0f}" for pid, size in ours.items())
    yield Row("control_plane_memory", "MiB", sum(ours.values()), GOAL, note=told)
    agents = len(sizes) - len(ours)
    told = f"with {agents} proxy agent"
    yield Row("control_plane_memory, agents too", "MiB", sum(sizes.values()), GOAL, note=told)


if __name__ == "__main__":
    main(measure)
