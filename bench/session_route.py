"""TLS, a session, 10 structured rules and the decision log: at most 1.45 and 1.70 of bare Envoy.

1.45 with one distinct session, 1.70 with 2,000 of them in turn. The yardstick is a bare Envoy on
plain HTTP, so that TLS counts as ours; a second row each compares with a bare Envoy behind TLS.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from _claim import Row, main
from _ostiary import HOST
from _ratio import Bench, against_both, length
from _rules import document, last
from _sessions import SignedIn

RULES = 10
GOALS = {"session_route, 1 session": 1.45, "session_route, 2000 sessions": 1.70}


def measure(quick: bool) -> Iterator[Row]:  # noqa: FBT001  the shape that main() asks for
    """Two rows for each number of sessions."""
    with ExitStack() as stack:
        bench = Bench(stack, lambda port: document(port, RULES))
        path, groups = last(RULES)
        cookies = SignedIn(bench.edge.state, HOST).cookies(2000, groups)
        for name, count in zip(GOALS, (1, 2000), strict=True):
            bench.add(name, path, cookies[:count])
        yield from against_both(bench.rounds(length(quick=quick)), GOALS)


if __name__ == "__main__":
    main(measure)
