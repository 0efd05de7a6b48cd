"""The WAF claim: what CRS 4 at paranoia 1 adds in Envoy, beside nginx with libmodsecurity.

Added CPU per request: GET <= 60 us, 2 KB of JSON <= 300 us, a form of 0.9 KB <= 120 us, an attack
<= 80 us, 24 KB of HTML inspected <= 80 us; the worst request within the limits <= 5,000 us. Memory
<= 60 MiB for all workers, loading the rules <= 300 ms. CRS 4.25.0 comes from the Go module proxy,
Debian's CRS and nginx's ModSecurity from Debian's packages; what is missing is said, and its rows
are left out. Values that differ from visitor to visitor differ in every request.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from _claim import Row, main, median
from _machine import cores, cpu, moment, pin, proportional
from _ostiary import folder
from _waf_contestants import (
    Contestant,
    Rules,
    application,
    debian_rules,
    envoy,
    guard_found,
    modsecurity,
    nginx,
    written,
)
from _waf_load import Wires
from _waf_shapes import SHAPES
from _waf_worst import worst

sys.path.append(str(Path(__file__).parents[1] / "tests" / "waf"))
from corpora import Missing
from rule_sets import BASE, crs4

OURS, PLAIN = "Envoy with the WAF", "Envoy"
ANSWERS = "Envoy with the WAF, answers too"
NGINX, DEBIAN, PEER = "nginx", "nginx with ModSecurity, CRS 3.3.4", "nginx with ModSecurity, CRS 4"
PEER_ANSWERS = "nginx with ModSecurity, CRS 4, answers too"
PAGE: Final = "HTML 24 KB"
WITHOUT_ANSWERS: Final = "\nSecResponseBodyAccess Off\n"
GOALS: Final[Mapping[str, float]] = {
    "GET": 60,
    "JSON 2 KB": 300,
    "form 0.9 KB": 120,
    "attack": 80,
    PAGE: 80,
    "JSON 900 leaves": 5_000,
    "field 97 KB": 5_000,
}
"""Microseconds that are added to a request."""
MEMORY, LOAD, WORST = 60, 300, 5_000
"""MiB, milliseconds, and microseconds."""
WEIGHT: Final[Mapping[str, int]] = {"JSON 900 leaves": 1, "field 97 KB": 1}
"""Requests on each connection in a burst, where it is not four."""
IN_A_ROW: Final = 4
TOO_SLOW: Final = {("field 97 KB", PEER)}
"""What takes a peer half a minute a request."""
LOADS: Final = 5
"""How often the rules are loaded."""


def measure(quick: bool) -> Iterator[Row]:  # noqa: FBT001  the frame calls it so
    """The rows."""
    missing = guard_found()
    if missing:
        print(f"NOT MEASURED: {missing}", file=sys.stderr)
        return
    try:
        found = crs4()
    except Missing as error:
        print(f"NOT MEASURED: {error}", file=sys.stderr)
        return
    rules = Rules(dict(found.sources), found.data)
    yield _loading(rules)
    yield _hardest(rules)
    with ExitStack() as stack:
        home = stack.enter_context(folder())
        backend, upstream = stack.enter_context(application(home))
        pin(backend, cores()[-1])
        pin(os.getpid(), cores()[-1])
        everybody = _start(stack, home, upstream, rules)
        for name, goal in GOALS.items():
            yield from _added(name, goal, everybody, 3 if quick else 9)
        used = {one: proportional([everybody[one].pid]) for one in (OURS, PLAIN)}
        yield Row("memory", "MiB", used[OURS] - used[PLAIN], MEMORY, note="PSS beside a bare Envoy")


def _start(stack: ExitStack, home: Path, upstream: int, rules: Rules) -> dict[str, Contestant]:
    """Everybody who can take part, on the first core."""
    made: dict[str, Contestant] = {}
    for name, told in ((PLAIN, None), (OURS, rules), (ANSWERS, rules)):
        front = envoy(home, f"envoy-{len(made)}", upstream, told, answers=name == ANSWERS)
        made[name] = stack.enter_context(front)
    without = modsecurity()
    if without:
        print(f"NO PEER: {without}", file=sys.stderr)
        peers: dict[str, str | None] = {}
    else:
        crs, debian = written(home, rules), debian_rules(BASE)
        peers = {NGINX: None, PEER: crs + WITHOUT_ANSWERS, PEER_ANSWERS: crs}
        if debian is None:
            print("NO PEER: Debian's CRS is not installed (modsecurity-crs)", file=sys.stderr)
        else:
            peers[DEBIAN] = debian + WITHOUT_ANSWERS
    for number, (name, text) in enumerate(peers.items()):
        made[name] = stack.enter_context(nginx(home, f"nginx-{number}", upstream, text))
    for one in made.values():
        pin(one.pid, cores()[0])
    return made


def _added(
    name: str, goal: float, everybody: Mapping[str, Contestant], rounds: int
) -> Iterator[Row]:
    """What is added to one shape: by a firewall, and to a page by looking into answers."""
    ours, base, bare = (ANSWERS, OURS, PEER) if name == PAGE else (OURS, PLAIN, NGINX)
    theirs = (PEER_ANSWERS,) if name == PAGE else (PEER, DEBIAN)
    chosen = {
        one: everybody[one]
        for one in (ours, base, bare, *theirs)
        if one in everybody and (name, one) not in TOO_SLOW
    }
    before = moment([one.pid for one in everybody.values()])
    middle = _micros(name, chosen, rounds)
    noisy = before.noisy(moment([one.pid for one in everybody.values()]))
    peers = {one: middle[one] - middle[bare] for one in theirs if one in middle}
    said = "".join(f"; {one}: {value:,.0f}" for one, value in peers.items())
    note = f"{middle[ours]:.0f} us, {middle[base]:.0f} us in {base}{said}"
    peer = next(iter(peers.values()), None)
    yield Row(name, "us", middle[ours] - middle[base], goal, noisy=noisy, peer=peer, note=note)


def _micros(name: str, chosen: Mapping[str, Contestant], rounds: int) -> dict[str, float]:
    """CPU microseconds of one request, by contestant: the median over rounds."""
    shape, many = SHAPES[name], WEIGHT.get(name, IN_A_ROW)
    used: dict[str, list[float]] = {one: [] for one in chosen}
    wires = {
        one: Wires(who.port, shape, checked=one not in (PLAIN, NGINX))
        for one, who in chosen.items()
    }
    for number in range(rounds + 1):
        turn = number % len(chosen)
        for one in [*chosen][turn:] + [*chosen][:turn]:
            at = cpu([chosen[one].pid])
            count = wires[one].burst(many)
            time.sleep(0.01)
            if number:  # the first warms up
                used[one].append((cpu([chosen[one].pid]) - at) / count * 1e6)
    for wire in wires.values():
        wire.close()
    return {one: median(values) for one, values in used.items()}


def _loading(rules: Rules) -> Row:
    """How long it takes until the rules can be asked."""
    from ostiary_guard import waf  # noqa: PLC0415  it is not everywhere

    def once() -> float:
        at = time.process_time()
        waf.Plan(waf.RuleSet(list(rules.sources.items()), dict(rules.data)), paranoia=1)
        return (time.process_time() - at) * 1e3

    return Row("load", "ms", _best(once), LOAD, note="CPU time, in process")


def _hardest(rules: Rules) -> Row:
    """The longest that one request inside the limits keeps the engine busy, whatever it says."""
    from ostiary_guard import waf  # noqa: PLC0415  it is not everywhere

    found = waf.RuleSet(list(rules.sources.items()), dict(rules.data))
    micros, name = worst(waf.Plan(found, paranoia=1, mode="block"))
    return Row("worst request", "us", micros, WORST, note=f"CPU time, in process: {name}")


def _best(once: Callable[[], float]) -> float:
    return min(once() for _ in range(LOADS))


if __name__ == "__main__":
    main(measure)
