"""100 structured rules of which the last matches: at most 1.6 of a bare Envoy.

The same request as in `session_route.py` (TLS, one session, decision log), with ten times the
rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from _claim import Row, main
from _ostiary import HOST
from _ratio import Bench, against_both, length
from _rules import document, last
from _sessions import SignedIn

RULES = 100
GOALS = {"hundred_rules": 1.6}


def measure(quick: bool) -> Iterator[Row]:  # noqa: FBT001  the shape that main() asks for
    """Two rows: against plain HTTP (the claim), and against TLS."""
    with ExitStack() as stack:
        bench = Bench(stack, lambda port: document(port, RULES))
        path, groups = last(RULES)
        cookies = SignedIn(bench.edge.state, HOST).cookies(1, groups)
        bench.add("hundred_rules", path, cookies)
        yield from against_both(bench.rounds(length(quick=quick)), GOALS)


if __name__ == "__main__":
    main(measure)
