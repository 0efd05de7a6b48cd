"""The whole chain against a bare Envoy, 1.5 and 1.6, and against one with an authorizer, 0.7.

TLS, a session, a look for verdicts, 10 rules, a limit by user and the decision log; 1.5 with one
session, 1.6 with 2,000 of them in turn. The bare Envoys get the same requests and have TLS; the
authorizer looks at nothing and says yes; its CPU counts with that of the proxy that asks it. The
rows of `session_route.py` have the other yardsticks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from _claim import Row, main
from _ostiary import HOST
from _ratio import Bench, asking, length, ratio, same
from _rules import document, last
from _sessions import SignedIn

RULES = 10
GOALS = {"guard_chain, 1 session": 1.5, "guard_chain, 2000 sessions": 1.6}
AGAINST_AUTHORIZER = 0.7


def measure(quick: bool) -> Iterator[Row]:  # noqa: FBT001  the shape that main() asks for
    """Two rows for each number of sessions."""
    with ExitStack() as stack:
        bench = Bench(stack, _document)
        path, groups = last(RULES)
        cookies = SignedIn(bench.edge.state, HOST).cookies(2000, groups)
        for name, count in zip(GOALS, (1, 2000), strict=True):
            bench.add(name, path, cookies[:count])
            bench.add_asking(name)
        rounds = bench.rounds(length(quick=quick))
        for name, goal in GOALS.items():
            yield ratio(rounds, name, goal, (name, same(name)))
            row = f"{name}, against an authorizer"
            yield ratio(rounds, row, AGAINST_AUTHORIZER, (name, asking(name)))


def _document(port: int) -> str:
    return f"{document(port, RULES)}    limits: [{{rate: 1000000/s, per: user}}]\n"


if __name__ == "__main__":
    main(measure)
