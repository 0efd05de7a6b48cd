"""CPU per request of Ostiary's edge, as a ratio to a bare Envoy in the same round.

Each round measures every contestant once, in rotated order; a ratio is taken within the round,
and the median over rounds counts. What the noise of the machine does to one, it does to all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from _claim import Row, median
from _envoys import application, yardstick
from _load import Load, Target
from _machine import cores, cpu, moment, pin
from _ostiary import HOST, Running, await_ok, folder, serving, write_document

BARE = "bare"
BARE_TLS = "bare TLS"
LONGEST_SPREAD = 0.15
"""(largest - smallest) / median of the ratios, above which the rounds do not agree."""


@dataclass(frozen=True, slots=True)
class Contest:
    """Ratios of one contestant, one a round."""

    ratios: tuple[float, ...]
    own: float
    """CPU microseconds a request, median."""
    peer: float
    noisy: bool

    def row(self, name: str, goal: float, note: str = "") -> Row:
        """The claim that the ratio is at most `goal`."""
        words = f"{self.own:.1f} us against {self.peer:.1f} us"
        spread = f"rounds {min(self.ratios):.2f} to {max(self.ratios):.2f}"
        told = "; ".join(filter(None, [words, spread, note]))
        return Row(name, "ratio", median(self.ratios), goal, noisy=self.noisy, peer=1.0, note=told)


@dataclass(frozen=True, slots=True)
class Slice:
    """One contestant in one round."""

    micros: float
    noisy: bool


class Bench:
    """A bare Envoy and Ostiary's edge before the same application, on the same core in turn."""

    def __init__(self, stack: ExitStack, routes: Callable[[int], str]) -> None:
        """`routes(port)` is the document's part about the application on `port`."""
        self.home: Path = stack.enter_context(folder())
        backend, port = stack.enter_context(application(self.home))
        bare, plain, secure = stack.enter_context(yardstick(self.home, port))
        file, https = write_document(self.home, routes(port))
        self.edge: Running = stack.enter_context(serving(self.home, file, https))
        self._envoy = self.edge.envoy()
        self._bare = bare
        self._ours = [backend, bare, self._envoy, *self.edge.pythons()]
        pin(backend, cores()[-1])
        pin(bare, cores()[0])
        self.edge.spread()
        self._loads = {
            BARE: (bare, Load(self.home, "bare", Target(plain, tls=False, host=HOST))),
            BARE_TLS: (bare, Load(self.home, "bare-tls", Target(secure, tls=True, host=HOST))),
        }

    def add(self, name: str, path: str, cookies: list[str]) -> None:
        """A contestant: requests to our edge, which must answer 200."""
        target = Target(self.edge.port, tls=True, host=HOST, path=path, cookies=cookies or [""])
        await_ok(target, 10)
        self._loads[name] = (self._envoy, Load(self.home, name.replace(" ", "-"), target))

    def rounds(self, count: int, seconds: float) -> list[dict[str, Slice]]:
        """Every contestant once a round, each warmed up before the first."""
        for _, load in self._loads.values():
            load.run(1)
        names = list(self._loads)
        return [
            {name: self._slice(name, seconds) for name in names[turn:] + names[:turn]}
            for turn in (number % len(names) for number in range(count))
        ]

    def _slice(self, name: str, seconds: float) -> Slice:
        pid, load = self._loads[name]
        before, used = moment(self._ours), cpu([pid])
        outcome = load.run(seconds)
        used, after = cpu([pid]) - used, moment(self._ours)
        if outcome.bad:
            raise RuntimeError(f"{outcome.bad} of {outcome.requests} answers to {name} were no 200")
        return Slice(used * 1e6 / outcome.requests, before.noisy(after))


def contest(rounds: list[dict[str, Slice]], name: str, peer: str = BARE) -> Contest:
    """`name` against `peer` in every round."""
    own, other = [one[name] for one in rounds], [one[peer] for one in rounds]
    ratios = tuple(mine.micros / theirs.micros for mine, theirs in zip(own, other, strict=True))
    loud = sum(mine.noisy or theirs.noisy for mine, theirs in zip(own, other, strict=True))
    spread = (max(ratios) - min(ratios)) / median(ratios)
    micros = median([one.micros for one in own]), median([one.micros for one in other])
    return Contest(ratios, *micros, 2 * loud > len(ratios) or spread > LONGEST_SPREAD)


def length(*, quick: bool) -> tuple[int, float]:
    """Rounds and seconds of a slice."""
    return (3, 1.0) if quick else (9, 2.0)


def against_both(
    rounds: list[dict[str, Slice]], contestants: Mapping[str, float]
) -> Iterator[Row]:
    """Two rows each: against a bare Envoy without TLS (the claim), and against one with it."""
    for name, goal in contestants.items():
        yield contest(rounds, name).row(name, goal)
        note = "the part that is not TLS"
        yield contest(rounds, name, BARE_TLS).row(f"{name}, against bare TLS", goal, note)
