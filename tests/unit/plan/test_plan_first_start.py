"""A first start with faults: nothing faulty is open, nothing sound is closed."""

from __future__ import annotations

import pytest

from ostiary.errors import Faults
from ostiary.language.read import Reader
from ostiary.language.tree import Tree, unreadable
from ostiary.names import local
from ostiary.plan.match import match
from ostiary.plan.model import Plan
from ostiary.plan.resolve import Resolver
from ostiary.sources.yaml_tree import parse

HEAD = """
gateway: {https: {port: 1, hosts: ["*.x.localhost"]}}
identity: {providers: {local: {}}}
services:
  s: {at: "127.0.0.1:1"}
  clash: {at: "127.0.0.1:2", mini_gateway: {port: 1}}
routes:
  wide: {host: "*.x.localhost", to: s, access: public}
  a: {host: a.x.localhost, to: s, access: public}
"""


def first(text: str, *more: Tree) -> Plan:
    document, faults = Reader().read_lenient([*parse("a.yaml", text.encode()), *more])
    found, others = Resolver().resolve_first(document)
    assert faults or others
    return found


def broken_file(text: str) -> Tree:
    with pytest.raises(Faults) as raised:
        parse("b.yaml", text.encode())
    return unreadable("b.yaml", raised.value, text)


def outcome(plan: Plan, host: str, path: str = "/", method: str = "GET") -> str | None:
    route = match(plan, local("main"), "https", f"{host}.x.localhost", path, method)
    if route is None:
        return None
    return "closed" if route.denied else route.key.name


@pytest.mark.parametrize(
    "faulty",
    [
        "  b: {host: b.x.localhost, to: s, access: public, colour: red}",
        "  b: {host: b.x.localhost, to: nobody, access: public}",
        "  b: {host: b.x.localhost, to: clash, access: public}",
        "  b: {host: [b.x.localhost, 'http://no'], to: s, access: public}",
        "  b: {host: b.x.localhost, path: '/a/../b', to: s, access: public}",
        "  b: {gateway: none, host: b.x.localhost, to: s, access: public}",
        "  b: &b {host: b.x.localhost, to: s, access: public}\n  c: *b",
        "  Bad: {host: b.x.localhost, to: s, access: public}",
    ],
)
def test_a_faulty_route_is_closed_and_a_wider_one_does_not_take_its_place(faulty: str) -> None:
    plan = first(HEAD + faulty)
    assert outcome(plan, "b") == "closed"
    assert outcome(plan, "a") == "a"
    assert outcome(plan, "z") == "wide"


def test_only_the_faulty_path_is_closed() -> None:
    plan = first(HEAD + "  b: {host: a.x.localhost, path: /admin/*, to: s, acces: public}")
    assert outcome(plan, "a", "/admin/x") == "closed"
    assert outcome(plan, "a", "/") == "a"


def test_only_the_faulty_method_is_closed() -> None:
    plan = first(HEAD + "  b: {host: a.x.localhost, methods: [POST], to: s, acces: public}")
    assert outcome(plan, "a", "/", "POST") == "closed"
    assert outcome(plan, "a", "/", "GET") == "a"


def test_a_method_that_cannot_be_read_is_every_method() -> None:
    plan = first(HEAD + "  b: {host: a.x.localhost, methods: [PSOT], to: s, access: public}")
    assert outcome(plan, "a", "/", "POST") == "closed"
    assert outcome(plan, "a", "/", "GET") == "closed"


def test_hosts_in_a_file_that_is_no_yaml_are_closed() -> None:
    plan = first(HEAD, broken_file("routes:\n  c: {host: A.x.localhost, path: /admin\n  d: ["))
    assert outcome(plan, "a") == "closed"
    assert outcome(plan, "z") == "wide"


def test_without_sound_sessions_nobody_signs_in() -> None:
    rule = "login: true, access: [{allow: {}}]"
    text = HEAD + f"  b: {{host: b.x.localhost, to: s, {rule}}}\nsessions: {{idle: soon}}\n"
    plan = first(text)
    assert plan.sign_in == {}
    assert outcome(plan, "b") == "closed"
    assert outcome(plan, "a") == "a"


def test_a_faulty_gateway_is_left_out_and_no_route_moves_to_another() -> None:
    text = """
gateways:
  main: {listeners: {https: {port: 1, hosts: ["*.x.localhost"]}}}
  other: {listeners: {https: {port: 2, colour: red}}}
services: {s: {at: "127.0.0.1:1"}}
routes:
  a: {gateway: main, host: a.x.localhost, to: s, access: public}
  b: {host: b.x.localhost, to: s, access: public}
"""
    plan = first(text)
    assert set(plan.gateways) == {local("main")}
    assert outcome(plan, "a") == "a"
    assert outcome(plan, "b") == "closed"


@pytest.mark.parametrize(
    "text",
    [
        HEAD.replace("port: 1, hosts", "port: 0, hosts"),
        HEAD + "trust_domain: NO\n",
        HEAD.replace('["*.x.localhost"]', '["*"]'),
    ],
)
def test_nothing_is_served_when_nothing_is_safe(text: str) -> None:
    with pytest.raises(Faults) as raised:
        first(text)
    assert "plan.unserved" in [fault.code for fault in raised.value]


def test_a_file_of_which_nothing_is_known_stops_everything() -> None:
    with pytest.raises(Faults) as known:
        parse("big.yaml", b"#" * 5_000_001)
    with pytest.raises(Faults):
        first(HEAD, unreadable("big.yaml", known.value))
