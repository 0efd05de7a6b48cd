"""CPU per request of Ostiary's edge, as a ratio to a bare Envoy in the same round.

The contestants take turns by burst, in rotated order, all on the same core; what the noise of the
machine does to one it does to all. A round is some tens of bursts of each. The ratio is taken
within the round, and the median over rounds counts.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from _claim import Row, median
from _envoys import application, yardstick
from _load import CONNECTIONS, IN_A_ROW, Load, Target
from _machine import cores, cpu, moment, pin
from _ostiary import HOST, LOCAL, Running, await_ok, folder, serving, write_document

from ostiary.store.database import Database
from ostiary.store.decisions import Decisions

BARE: Final = "bare"
BARE_TLS: Final = "bare TLS"
BURSTS: Final = 12
"""Of each contestant in one round."""
REST: Final = 0.005
"""Seconds after each burst."""
PATIENCE: Final = 30.0
"""Seconds that the decision log has to take the last entries."""
LONGEST_SPREAD: Final = 0.15
"""(largest - smallest) / median of the ratios, above which the rounds do not agree."""


@dataclass(frozen=True, slots=True)
class Round:
    """CPU microseconds a request, by contestant."""

    micros: Mapping[str, float]
    noisy: bool


class Bench:
    """Bare Envoys and Ostiary's edge before the same application, on the same core in turn."""

    def __init__(
        self, stack: ExitStack, routes: Callable[[int], str], identity: str = LOCAL
    ) -> None:
        """`routes(port)` is the document's part about the application on `port`."""
        self.home: Path = stack.enter_context(folder())
        self._stack = stack
        backend, port = stack.enter_context(application(self.home))
        plain, http = stack.enter_context(yardstick(self.home, port, tls=False))
        secure, https = stack.enter_context(yardstick(self.home, port, tls=True))
        file, ours = write_document(self.home, routes(port), identity)
        self.edge: Running = stack.enter_context(serving(self.home, file, ours))
        self._all = [backend, plain, secure, self.edge.envoy(), *self.edge.pythons()]
        for pid, core in ((backend, -1), (plain, 0), (secure, 0), (os.getpid(), -1)):
            pin(pid, cores()[core])
        self.edge.spread()
        self._pids: dict[str, tuple[int, ...]] = {}
        self._targets: dict[str, Target] = {}
        self._put(BARE, plain, Target(http, tls=False, host=HOST))
        self._put(BARE_TLS, secure, Target(https, tls=True, host=HOST))
        self._bare_port = https
        self._port = port

    def add(
        self, name: str, path: str, cookies: Sequence[str] = ("",), header: str = "Cookie"
    ) -> None:
        """A contestant: requests to our edge, which must answer 200; bare TLS gets them too."""
        target = Target(
            self.edge.port, tls=True, host=HOST, path=path, cookies=cookies, header=header
        )
        await_ok(target, 10)
        self._put(name, self.edge.envoy(), target)
        self._put(same(name), self._pids[BARE_TLS], replace(target, port=self._bare_port))

    def add_asking(self, name: str) -> None:
        """The same requests to a bare Envoy with TLS that asks an authorizer about each.

        The authorizer is the cheapest there is: an Envoy that says 200 to everything. Its own CPU
        counts, what a real one would do besides does not.
        """
        judge, judging = self._stack.enter_context(application(self.home, "authorizer"))
        peer = yardstick(self.home, self._port, tls=True, authorizer=judging)
        pid, port = self._stack.enter_context(peer)
        pin(judge, cores()[-1])
        pin(pid, cores()[0])
        self._all += [judge, pid]
        target = replace(self._targets[name], port=port)
        await_ok(target, 10)
        self._put(asking(name), (pid, judge), target)

    def rounds(self, count: int) -> list[Round]:
        """`count` rounds, after one that warms everything up and is left out."""
        loads = {name: Load(target) for name, target in self._targets.items()}
        for load in loads.values():
            self._stack.callback(load.close)
        kept = self._kept()
        found = [self._round(loads) for _ in range(count + 1)][1:]
        ours = sum(self.edge.envoy() in pids for pids in self._pids.values())
        self._await_log(kept + ours * (count + 1) * BURSTS * IN_A_ROW * CONNECTIONS)
        return found

    def _kept(self) -> int:
        with closing(Database.in_folder(self.edge.state)) as database:
            return Decisions(database).counts().written

    def _await_log(self, entries: int) -> None:
        """Every request of ours is in the decision log: what is not logged is not measured."""
        deadline = time.monotonic() + PATIENCE
        while (kept := self._kept()) < entries:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the decision log has {kept} of {entries} requests")
            time.sleep(0.5)

    def _put(self, name: str, pids: int | tuple[int, ...], target: Target) -> None:
        """The CPU of all `pids` counts."""
        self._pids[name] = pids if isinstance(pids, tuple) else (pids,)
        self._targets[name] = target

    def _round(self, loads: Mapping[str, Load]) -> Round:
        names, before = list(loads), moment(self._all)
        used, requests = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0)
        for number in range(BURSTS):
            turn = number % len(names)
            for name in names[turn:] + names[:turn]:
                at = cpu(self._pids[name])
                requests[name] += loads[name].burst()
                time.sleep(REST)
                used[name] += cpu(self._pids[name]) - at
        micros = {name: used[name] / requests[name] * 1e6 for name in names}
        return Round(micros, before.noisy(moment(self._all)))


def same(name: str) -> str:
    """The bare Envoy with TLS that gets the requests of `name`, cookies and all."""
    return f"{BARE_TLS} with the requests of {name}"


def asking(name: str) -> str:
    """The same that asks an authorizer."""
    return f"{BARE_TLS} with an authorizer and the requests of {name}"


def ratio(rounds: Sequence[Round], row: str, goal: float, pair: tuple[str, str]) -> Row:
    """The claim that the first of `pair` costs at most `goal` times the second."""
    own, peer = ([one.micros[name] for one in rounds] for name in pair)
    ratios = [mine / theirs for mine, theirs in zip(own, peer, strict=True)]
    value = median(ratios)
    loud = 2 * sum(one.noisy for one in rounds) > len(rounds)
    noisy = loud or max(ratios) - min(ratios) > LONGEST_SPREAD * value
    note = (
        f"{median(own):.1f} us against {median(peer):.1f} us of {pair[1]}; "
        f"rounds {min(ratios):.2f} to {max(ratios):.2f}"
    )
    return Row(row, "ratio", value, goal, noisy=noisy, peer=1.0, note=note)


def against_both(rounds: Sequence[Round], goals: Mapping[str, float]) -> Iterator[Row]:
    """Three rows each: against a bare Envoy without TLS (the claim), with it, and a fair one.

    The fair one has TLS and gets the same requests: a cookie of 1.5 kB costs every proxy time.
    """
    for name, goal in goals.items():
        yield ratio(rounds, name, goal, (name, BARE))
        yield ratio(rounds, f"{name}, against bare TLS", goal, (name, BARE_TLS))
        yield ratio(rounds, f"{name}, against bare TLS, same requests", goal, (name, same(name)))


def length(*, quick: bool) -> int:
    """Rounds."""
    return 5 if quick else 25
