"""A verdict is enforced 2 ms (p50) or 10 ms (p99) after the control plane accepted it; 50 ms by 20.

`ostiary up` with one gateway and with 20, each an Envoy with its own guard on this machine.
Verdicts about signed-in people are put through the admin API. Accepted is what is in the store: the
control plane says how long it took from there until all guards had acknowledged. The rows "asked"
have a clock of the bench's own, which starts at the time that the verdict bears, before the store
has it, and stops when the next request of that person is refused, of 20 gateways by the last;
asking takes a third of a millisecond a gateway, and counts as ours.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from _claim import Row, main, median, percentile
from _envoys import application, free_port
from _load import Target, connect
from _ostiary import DOMAIN, await_ok, folder, serving, status
from _sessions import SignedIn

from ostiary.cli.connection import Connection

HALF, MOST, BY_TWENTY = 2.0, 10.0, 50.0
MANY = 20
_PATIENCE = 5.0
"""Seconds; a verdict that is not enforced by then never will be."""


def measure(quick: bool) -> Iterator[Row]:  # noqa: FBT001  the shape that main() asks for
    """Two rows for one gateway, one for twenty."""
    count = 20 if quick else 300
    note = f"through the admin API, n {count}"
    accepted, asked = _revoked(1, count)
    for name, values in (("", accepted), (", asked", asked)):
        yield Row(f"revoke, 1 gateway{name}, p50", "ms", median(values), HALF, note=note)
        yield Row(f"revoke, 1 gateway{name}, p99", "ms", percentile(values, 0.99), MOST, note=note)
    accepted, asked = _revoked(MANY, count)
    for name, values in (("", accepted), (", asked", asked)):
        note = f"the last of {MANY} gateways, p50 {median(values):.1f} ms, n {count}"
        most = percentile(values, 0.99)
        yield Row(f"revoke, 20 gateways{name}, p99", "ms", most, BY_TWENTY, note=note)


def _revoked(gateways: int, count: int) -> tuple[list[float], list[float]]:
    """Milliseconds since acceptance and since asking, of `count` verdicts about as many people."""
    with ExitStack() as stack:
        home = stack.enter_context(folder())
        _, app = stack.enter_context(application(home))
        ports = [free_port() for _ in range(gateways)]
        file = home / "gateways.yaml"
        file.write_text(_document(ports, app))
        up = stack.enter_context(serving(home, file, ports[0], patience=180))
        people = [SignedIn(up.state, _host(n)).cookies(count, ["staff"]) for n in range(gateways)]
        admin = Connection.of(up.state)
        found = []
        for person in range(count):
            targets = [
                Target(port, tls=True, host=_host(n), cookies=(people[n][person],))
                for n, port in enumerate(ports)
            ]
            found.append(_one(admin, targets, f"person{person}"))
    accepted, asked = zip(*found, strict=True)
    return list(accepted), list(asked)


def _one(admin: Connection, targets: list[Target], person: str) -> tuple[float, float]:
    """A verdict about `person`, until all guards acknowledge it and until all `targets` refuse."""
    with ExitStack() as stack:
        wires = []
        for target in targets:
            await_ok(target, _PATIENCE * 4)
            wires.append((stack.enter_context(connect(target)), target))
        given: list[Any] = []
        body = {"kind": "user", "key": person, "effect": "deny", "reason": "bench"}
        body |= {"lasts": None, "score": None, "rate": None, "why": "", "unknown_user": True}
        asking = threading.Thread(
            target=lambda: given.append(admin.post("verdicts", body=body)), daemon=True
        )
        end = time.monotonic() + _PATIENCE
        asking.start()
        for one, target in wires:
            while status(one, target) == 200:
                if time.monotonic() > end:
                    raise TimeoutError(f"{target.host} still lets {person} in")
        last = time.time()
        asking.join(_PATIENCE)
    reached = given[0]["reached"]
    if reached["missing"]:
        raise TimeoutError(f"{reached['missing']} did not acknowledge")
    return reached["seconds"] * 1000, (last - float(given[0]["verdict"]["since"])) * 1000


def _host(number: int) -> str:
    return f"app.g{number}.{DOMAIN}"


def _document(ports: list[int], app: int) -> str:
    gateways = "\n".join(
        f'  g{n}: {{https: {{port: {port}, address: 127.0.0.1, hosts: ["*.g{n}.{DOMAIN}"]}}}}'
        for n, port in enumerate(ports)
    )
    routes = "\n".join(
        f"  r{n}: {{gateway: g{n}, host: {_host(n)}, to: app, login: true, access: "
        f"[{{allow: {{groups: [staff]}}}}]}}"
        for n in range(len(ports))
    )
    return (
        f"gateways:\n{gateways}\nidentity: {{providers: {{local: {{}}}}}}\n"
        f"sessions: {{token: 30m}}\nservices: {{app: {{at: ['127.0.0.1:{app}']}}}}\n"
        f"routes:\n{routes}\n"
    )


if __name__ == "__main__":
    main(measure)
