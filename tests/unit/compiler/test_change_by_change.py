"""From text to resources, save after save: what is remembered never shows, whatever was saved."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from compiler_plans import WORLD

from ostiary.compiler.compile import Compiler
from ostiary.compiler.resources import CLUSTER, ENDPOINTS, SCOPE, Snapshot
from ostiary.errors import Faults
from ostiary.language.read import Reader
from ostiary.language.tree import Tree
from ostiary.patched import differences
from ostiary.plan.resolve import Resolver
from ostiary.sources.yaml_tree import parse

HEAD = """\
trust_domain: test
gateways:
  main:
    https: {{port: {port}, hosts: ["*.a.localhost"], sign_in_host: login.a.localhost}}
    http: {{port: 8080, redirect: https}}
{more}
identity: {{providers: {{local: {{}}}}}}
sessions: {{token: {token}s}}
"""
SIDE = '  side: {https: {port: 9444, hosts: ["*.b.localhost"]}}'
LIMITED = SIDE[:-1] + ", limits: [{rate: 5/s}]}"
HOSTS = ("h{}.a.localhost", "*.w{}.a.localhost", "x.w{}.a.localhost", "*.x.w{}.a.localhost")
ACCESS = (
    "access: public",
    "login: true, access: [{allow: {groups: [g0]}}]",
    "login: true, access: [{allow: {groups: [g1]}}, {deny: {users: [a@b.example]}}]",
)


class House:
    """The rooms between text and resources, with what they remember."""

    def __init__(self) -> None:
        self.reader, self.resolver, self.compiler = Reader(), Resolver(), Compiler()

    def serve(self, trees: Sequence[Tree]) -> Snapshot | set[str]:
        """The snapshot of `trees`, or the codes of what is wrong with them."""
        try:
            plan = self.resolver.resolve(self.reader.read(trees))
        except Faults as error:
            return {fault.code for fault in error}
        return self.compiler.compile(plan, WORLD)


class Desk:
    """Some files and the person who edits them."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)  # noqa: S311  a test's choice
        self.trees: dict[str, Sequence[Tree]] = {}
        self.save("head", self.head())
        for number in range(6):
            self.save(f"r{number}", self.route(number))
            self.save(f"s{number}", self.service(number))

    def save(self, name: str, text: str) -> None:
        self.trees[name] = parse(f"{name}.yaml", text.encode())

    def head(self) -> str:
        port, token = self.draw.choice((8443, 9443)), self.draw.choice((30, 60))
        return HEAD.format(
            port=port,
            token=token,
            more=self.draw.choice((SIDE, SIDE, SIDE, SIDE, SIDE, "", LIMITED)),
        )

    def route(self, number: int) -> str:
        host = self.draw.choice(HOSTS).format(self.draw.randrange(3) if number % 2 else number)
        access, to = self.draw.choice(ACCESS), self.draw.choice((number, number, number, 0))
        gateway = "main"
        if self.draw.random() < 0.07:
            gateway, host = "side", f"h{number}.b.localhost"
        where = f'gateway: {gateway}, host: "{host}", path: /p{self.draw.randrange(9)}'
        return f"routes: {{r{number}: {{{where}, to: s{to}, {access}}}}}"

    def service(self, number: int) -> str:
        more = ""
        if self.draw.random() < 0.3:
            callers = self.draw.choice(("", ", callers: [main]"))
            more = f", mini_gateway: {{address: 127.0.0.1, port: {7000 + number}{callers}}}"
        if self.draw.random() < 0.1:
            more += ", access: [{allow: {groups: [g0, g2]}}]"
        host = self.draw.choice(("127.0.0.1", "127.0.0.2", "name.example"))
        return f'services: {{s{number}: {{at: ["{host}:9000"]{more}}}}}'

    def edit(self) -> None:
        """One save of one file, or its removal."""
        number = self.draw.randrange(9)
        kind = self.draw.choice(("head", "r", "s", "gone", "both", "both", "both", "both"))
        if kind == "head":
            self.save("head", self.head())
        elif kind == "gone":
            for one in self.draw.choice(("r", "rs", "rs", "rs")):
                self.trees.pop(f"{one}{number}", None)
        else:
            for one in "rs" if kind == "both" else kind:
                text = self.route(number) if one == "r" else self.service(number)
                self.save(f"{one}{number}", text)

    def all(self) -> list[Tree]:
        return [tree for trees in self.trees.values() for tree in trees]


@pytest.mark.parametrize("seed", range(4))
def test_after_any_saves_the_result_equals_a_cold_one(seed: int) -> None:
    desk, warm, served = Desk(seed), House(), 0
    for _ in range(70):
        for _ in range(desk.draw.choice((1, 1, 3))):
            desk.edit()
        if desk.draw.random() < 0.1:
            warm.resolver = Resolver()  # another room may forget, and nobody notices
        result = warm.serve(desk.all())
        assert result == House().serve(desk.all())
        served += isinstance(result, Snapshot)
    assert served > 3


def test_what_was_given_away_never_changes() -> None:
    desk, warm = Desk(1), House()
    known = []
    for _ in range(40):
        desk.edit()
        result = warm.serve(desk.all())
        if isinstance(result, Snapshot):
            known.append((result, House().serve(desk.all())))
    assert all(given == cold for given, cold in known)


def test_a_new_route_with_its_service_touches_nothing_else() -> None:
    files = {f"r{n}": f"h{n}.a.localhost" for n in range(30)}
    house, trees = House(), list(parse("head.yaml", _plain_head().encode()))
    trees += [tree for name, host in files.items() for tree in _file(name, host)]
    before = house.serve(trees)
    after = house.serve([*trees, *_file("new", "new.a.localhost")])
    assert isinstance(before, Snapshot)
    assert isinstance(after, Snapshot)
    edge = "spiffe://test/default/default/gateway/main"
    there, here = (one.views[edge].resources for one in (before, after))
    touched = {url: set(differences(here[url], there[url])) for url in here}
    assert {url: names for url, names in touched.items() if names} == {
        SCOPE: {"https|new.a.localhost"},
        CLUSTER: {"svc/default/default/new"},
        ENDPOINTS: {"svc/default/default/new"},
    }


def _plain_head() -> str:
    return HEAD.format(port=8443, token=60, more="")


def _file(name: str, host: str) -> Sequence[Tree]:
    text = (
        f'services: {{{name}: {{at: ["127.0.0.1:9000"]}}}}\n'
        f"routes: {{{name}: {{host: {host}, to: {name}, access: public}}}}\n"
    )
    return parse(f"{name}.yaml", text.encode())
