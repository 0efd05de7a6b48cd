"""An API key, 10 rules and the decision log: at most 1.10 of bare Envoy, flat to 100,000 keys.

The claim is the fair row: a bare Envoy behind TLS that gets the same requests. The second row has
100,000 keys in the table; that it costs what one with a few does is the third.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

from _claim import Row, main
from _ostiary import HOST
from _ratio import Bench, length, ratio, same
from _rules import last, rules

from ostiary.identity.api_keys import ApiKey, digest, write_key
from ostiary.store.api_keys import ApiKeys
from ostiary.store.database import Database
from ostiary.store.verdicts import Verdicts
from ostiary.trust.verdict import Effect, Kind, Verdict

RULES, MANY, AT_ONCE = 10, 100_000, 5_000
GOAL, FLAT = 1.10, 1.05


def measure(quick: bool) -> Iterator[Row]:  # noqa: FBT001  the shape that main() asks for
    """One key among few, one among many, and the second against the first."""
    values = {}
    for name, others in (("api_keys, few", 0), ("api_keys, 100000", MANY)):
        with ExitStack() as stack:
            bench = Bench(stack, document)
            path, groups = last(RULES)
            with closing(Database.in_folder(bench.edge.state)) as database:
                fill(database, others)
                key = make(database, groups)
            wait_for(bench.edge.state)
            bench.add(name, path, [key], header="X-API-Key")
            row = ratio(bench.rounds(length(quick=quick)), name, GOAL, (name, same(name)))
            values[name] = row.value
            yield row
    few, many = values.values()
    yield Row("api_keys, 100000 against few", "ratio", many / few, FLAT, peer=1.0)


def document(port: int) -> str:
    """A route to the application on `port` that takes API keys only."""
    return (
        f'services: {{app: {{at: ["127.0.0.1:{port}"]}}}}\n'
        f"routes:\n  app:\n    host: {HOST}\n    to: app\n    credentials: {{api_keys: true}}\n"
        f"    access:\n{rules(RULES)}\n"
    )


def make(database: Database, groups: list[str]) -> str:
    """A key of its own for a service in `groups`; its text."""
    text, now = write_key(2**255 + 1), time.time()
    key = ApiKey(digest(text), "bench", "", tuple(groups), (), now, 0.0)
    ApiKeys(database).add(key, "bench")
    return text


def fill(database: Database, count: int) -> None:
    """That `count` other keys exist is known to every guard."""
    now = time.time()
    for first in range(0, count, AT_ONCE):
        names = (hashlib.sha256(str(first + one).encode()).hexdigest() for one in range(AT_ONCE))
        known = [
            Verdict(uuid.uuid4(), Kind.API_KEY, name, Effect.KNOWN, "bench", "bench", now)
            for name in names
        ]
        Verdicts(database).put(known, "bench", "", now)


def wait_for(_state: Path) -> None:
    """The control plane looks at its store once a second, and tells the guards what it finds."""
    time.sleep(6)


if __name__ == "__main__":
    main(measure)
