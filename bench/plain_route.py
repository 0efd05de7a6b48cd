"""A plain public route with the decision log costs at most 1.10 of a bare Envoy.

The route is `access: public`. Ostiary serves HTTPS only, so the claim compares HTTPS with HTTPS:
our edge with the decision log against a bare Envoy with TLS.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from _claim import Row, main
from _ostiary import HOST
from _ratio import BARE, BARE_TLS, Bench, length, ratio

GOAL = 1.10
ROUTES = """\
services: {{app: {{at: ["127.0.0.1:{port}"]}}}}
routes: {{app: {{host: {host}, to: app, access: public}}}}
"""


def measure(quick: bool) -> Iterator[Row]:  # noqa: FBT001  the shape that main() asks for
    """Two rows: against TLS (the claim), and against plain HTTP."""
    with ExitStack() as stack:
        bench = Bench(stack, lambda port: ROUTES.format(port=port, host=HOST))
        bench.add("plain", "/")
        rounds = bench.rounds(length(quick=quick))
        yield ratio(rounds, "plain_route", GOAL, ("plain", BARE_TLS))
        # Our side pays for TLS here, the other does not.
        yield ratio(rounds, "plain_route, against plain HTTP", GOAL, ("plain", BARE))


if __name__ == "__main__":
    main(measure)
