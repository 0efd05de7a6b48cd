"""1,000 routes compiled in at most 0.5 s, one changed route in at most 20 ms.

In one process, without proxies: from the plan to serialised Envoy resources (the claim), and from
the text of the files to the same, as a save would do it (told beside it, against the same goals).
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from _claim import Row, main, median
from _machine import moment
from _many import route
from _ostiary import gateway
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ostiary.app.process import collect_seldom
from ostiary.compiler.compile import Compiler
from ostiary.compiler.world import Address, World
from ostiary.identity.tokens import jwks, signing_key
from ostiary.language.read import Reader
from ostiary.language.tree import Tree
from ostiary.plan.resolve import Resolver
from ostiary.sources.yaml_tree import parse

T = TypeVar("T")
ROUTES = 1000
ALL, ONE = 0.5, 20
LOGIN = """\
services: {{{name}: {{at: ["127.0.0.1:9000"]}}}}
routes:
  {name}:
    host: {name}.bench.localhost
    to: {name}
    login: true
    access:
      - allow: {{groups: [staff], methods: [GET]}}
      - allow: {{users: [{name}@bench.example], paths: ["/admin/*"]}}
      - deny: {{groups: [former], paths: ["/export/*"]}}
"""
CHANGE = ("r500.bench.localhost", "[r500.bench.localhost, other.bench.localhost]")
"""The route 500 stands on a second host."""
KINDS: dict[str, Callable[[int], str]] = {
    "public": lambda number: route(f"r{number}", 9000),
    "login and 3 rules": lambda number: LOGIN.format(name=f"r{number}"),
}


def measure(quick: bool) -> Iterator[Row]:  # noqa: FBT001  the shape that main() asks for
    """Four rows for routes without and four for routes with sign-in."""
    collect_seldom()
    for kind, text in KINDS.items():
        before = moment([])
        runs = [once(text) for _ in range(2 if quick else 5)]
        noisy = before.noisy(moment([]))
        names = ("compile, all", "text to resources, all")
        for name, values in zip(names, zip(*(run[:2] for run in runs), strict=True), strict=True):
            yield Row(f"{name}, {kind}", "s", median(values), ALL, noisy=noisy)
        names = ("compile, one changed", "text to resources, one changed")
        for name, values in zip(names, zip(*(run[2:] for run in runs), strict=True), strict=True):
            yield Row(f"{name}, {kind}", "ms", median(values) * 1e3, ONE, noisy=noisy)


def once(text: Callable[[int], str]) -> tuple[float, float, float, float]:
    """Seconds to compile all, from text to all, to compile one changed, from text to that."""
    files = {"gateway.yaml": gateway(8443)}
    files |= {f"r{number}.yaml": text(number) for number in range(ROUTES)}
    gc.unfreeze()
    gc.collect()
    world, house = _world(), _House()
    trees, reading = _timed(
        lambda: {name: parse(name, said.encode()) for name, said in files.items()}
    )
    compiling, meaning = house.serve(trees, world)
    gc.freeze()  # as the control plane does after its first revision
    changed = files["r500.yaml"].replace(*CHANGE)
    trees["r500.yaml"], again = _timed(lambda: parse("r500.yaml", changed.encode()))
    one_compiling, one_meaning = house.serve(trees, world)
    return (
        compiling,
        reading + meaning + compiling,
        one_compiling,
        again + one_meaning + one_compiling,
    )


class _House:
    """The rooms between text and resources, with what they remember."""

    def __init__(self) -> None:
        self._reader, self._resolver, self._compiler = Reader(), Resolver(), Compiler()

    def serve(self, trees: dict[str, Sequence[Tree]], world: World) -> tuple[float, float]:
        """Seconds in the compiler, and seconds from trees to the plan."""
        flat = tuple(tree for some in trees.values() for tree in some)
        plan, meaning = _timed(lambda: self._resolver.resolve(self._reader.read(flat)))
        _, compiling = _timed(lambda: self._compiler.compile(plan, world))
        return compiling, meaning


def _world() -> World:
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    return World(Address("127.0.0.1", 1), Address("127.0.0.1", 2), jwks([signing_key(pem)]))


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    begun = time.perf_counter()
    return work(), time.perf_counter() - begun


if __name__ == "__main__":
    main(measure)
