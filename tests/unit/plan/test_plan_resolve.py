"""What documents mean: references, levels, own routes, sign-in, warnings."""

from __future__ import annotations

import pytest

from ostiary.errors import Faults
from ostiary.features.cors import Cors
from ostiary.features.limits import Limits
from ostiary.features.timeouts import Timeouts
from ostiary.language.document import Document
from ostiary.language.read import Reader, read
from ostiary.language.tree import Tree
from ostiary.names import Key, local
from ostiary.plan.model import Endpoint, PathKind, PathMatch, Plan, Route
from ostiary.plan.resolve import Resolver, resolve
from ostiary.plan.routes import record
from ostiary.policy.rules import Effect, Rule
from ostiary.sources.yaml_tree import parse

HEAD = """
gateway:
  https: {port: 8443, hosts: ["*.apps.localhost", notes.localhost]}
  http: {port: 8080, redirect: https}
identity: {providers: {local: {}}}
services: {notes: {at: ["127.0.0.1:9001", "unix:/run/notes.sock"]}}
"""
NOTES = "  notes: {host: notes.localhost, to: notes, access: public}\n"


def document(text: str) -> Document:
    return read(parse("a.yaml", text.encode()))


def plan(routes: str, head: str = HEAD) -> Plan:
    return resolve(document(f"{head}\nroutes:\n{routes}"))


def codes(routes: str, head: str = HEAD) -> list[str]:
    with pytest.raises(Faults) as raised:
        plan(routes, head)
    return [fault.code for fault in raised.value]


def the(found: Plan, name: str) -> Route:
    return next(route for route in found.routes if route.key == local(name))


def test_a_plan_has_everything_and_no_defaults_left() -> None:
    found = plan(NOTES)
    route = the(found, "notes")
    assert route.gateway == local("main")
    assert route.listener == "https"
    assert route.paths == (PathMatch(PathKind.PREFIX, ""),)
    assert route.service == local("notes")
    assert not route.login
    assert set(route.blocks) == {"security_headers", "timeouts"}
    service = found.services[local("notes")]
    assert service.endpoints == (
        Endpoint("127.0.0.1", 9001),
        Endpoint("", 0, "/run/notes.sock"),
    )
    assert service.connect_timeout == 2.0
    assert found.sign_in == {}
    assert found.trust_domain == "ostiary.internal"


def test_plain_http_redirects_only_hosts_that_the_target_serves() -> None:
    http = next(at for at in plan(NOTES).gateways[local("main")].listeners if not at.tls)
    assert http.redirect_to == "https"
    assert http.hosts == ("*.apps.localhost", "notes.localhost", "login.localhost")


def test_sign_in_brings_routes_of_ours() -> None:
    rule = "access: [{allow: {groups: [staff]}}]"
    found = plan(f"  notes: {{host: notes.localhost, to: notes, login: true, {rule}}}\n")
    own = {route.hosts: route.paths for route in found.routes if route.own}
    assert own == {
        ("login.localhost",): (PathMatch(PathKind.PREFIX, ""),),
        ("notes.localhost",): (PathMatch(PathKind.PREFIX, "/.ostiary"),),
    }
    sign_in = found.sign_in[local("main")]
    assert sign_in.origin == "https://login.localhost:8443"
    assert sign_in.group_names == {"staff"}
    assert sign_in.providers == ("local",)
    assert (sign_in.token_lifetime, sign_in.offline_grace) == (60, 0)


def test_the_group_set_changes_with_the_groups_alone() -> None:
    def group_set(groups: str, path: str = "/*") -> str:
        rule = f"access: [{{allow: {{groups: {groups}}}}}]"
        text = f"  n: {{host: notes.localhost, path: {path}, to: notes, login: true, {rule}}}\n"
        return plan(text).sign_in[local("main")].group_set

    assert group_set("[a, b]") == group_set("[b, a]", "/x")
    assert group_set("[a, b]") != group_set("[ab]")


def test_levels_are_kept_apart_gateway_route_service() -> None:
    head = HEAD.replace("gateway:", "gateway:\n  access: public").replace(
        'sock"]', 'sock"], access: [{deny: {paths: [/x]}}, {allow: {public: true}}]'
    )
    levels = the(plan(NOTES, head), "notes").levels
    assert [level.owner for level in levels] == ["gateway main", "route notes", "service notes"]
    assert levels[2].rules[0] == Rule("notes/access[0]", Effect.DENY, paths=("/x",))


def test_blocks_of_all_levels_are_merged_and_their_origin_is_known() -> None:
    head = HEAD.replace(
        "gateway:",
        "gateway:\n  cors: {origins: [https://a.example, https://b.example], max_age: 60}\n"
        "  limits: [{rate: 100/s}]\n  timeouts: {request: 30s}",
    )
    more = "cors: {origins: [https://a.example]}, limits: [{rate: 1/s}], timeouts: {idle: 1h}"
    route = the(plan(NOTES.replace("}", f", {more}}}"), head), "notes")
    cors, limits, timeouts = (route.blocks[name] for name in ("cors", "limits", "timeouts"))
    assert isinstance(cors, Cors)
    assert (cors.origins, cors.max_age) == (["https://a.example"], 60)
    assert isinstance(limits, Limits)
    assert [limit.rate for limit in limits.limits] == ["100/s", "1/s"]
    assert isinstance(timeouts, Timeouts)
    assert (timeouts.request, timeouts.idle) == ("30s", "1h")
    assert route.origins["cors.origins"] == "route notes"
    assert route.origins["cors.max_age"] == "gateway main"
    assert route.origins["limits[0]"] == "gateway main"
    assert route.origins["security_headers"] == "default"


@pytest.mark.parametrize(
    ("upper", "lower"),
    [
        ("timeouts: {request: 30s}", "timeouts: {request: 31s}"),
        ("timeouts: {request: 30s}", "timeouts: {request: 0s}"),
        (
            "cors: {origins: [https://a.example]}",
            "cors: {origins: [https://a.example, https://b.example]}",
        ),
        (
            "cors: {origins: [https://a.example], credentials: false}",
            "cors: {origins: [https://a.example], credentials: true}",
        ),
        ("security_headers: {nosniff: true}", "security_headers: {nosniff: false}"),
    ],
)
def test_no_level_loosens_the_one_above(upper: str, lower: str) -> None:
    route = NOTES.replace("}", f", {lower}}}")
    assert codes(route, HEAD.replace("gateway:", f"gateway:\n  {upper}")) == ["plan.loosened"]
    stricter = HEAD.replace("gateway:", f"gateway:\n  {lower}")
    plan(NOTES.replace("}", f", {upper}}}"), stricter)


def test_a_route_stands_on_every_listener_that_serves_it() -> None:
    head = """
gateways:
  main:
    listeners:
      one: {port: 1, hosts: [a.example, b.example]}
      two: {port: 2, hosts: [b.example]}
services: {notes: {at: "127.0.0.1:1"}}
"""
    routes = plan("  n: {host: [a.example, b.example], to: notes, access: public}\n", head).routes
    assert {(route.listener, route.hosts) for route in routes} == {
        ("one", ("a.example", "b.example")),
        ("two", ("b.example",)),
    }


def test_callers_of_a_mini_gateway_are_the_gateways_with_routes() -> None:
    head = """
gateways:
  a: {listeners: {https: {port: 1, hosts: [a.example]}}}
  b: {listeners: {https: {port: 2, hosts: [b.example]}}}
services: {notes: {at: "127.0.0.1:1", mini_gateway: {port: 3}}}
"""
    found = plan("  n: {gateway: b, host: b.example, to: notes, access: public}\n", head)
    mini = found.services[local("notes")].mini_gateway
    assert mini is not None
    assert mini.callers == (Key("default", "default", "b"),)


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        ("  n: {host: notes.localhost, to: notes, access: [{deny: {paths: [/x]}}]}\n", None),
        ("  n: {host: notes.localhost, to: notes, access: [{allow: {}}]}\n", "plan.needs-login"),
        (
            "  n: {host: notes.localhost, to: notes, access: [{deny: {users: [a]}}]}\n",
            "plan.needs-login",
        ),
        ("  n: {host: login.localhost, to: notes}\n", "plan.reserved-host"),
        ("  n: {host: notes.localhost, path: /.ostiary, to: notes}\n", "plan.reserved-path"),
        ("  n: {host: notes.localhost, path: /.ostiary/*, to: notes}\n", "plan.reserved-path"),
        ("  n: {host: notes.localhost, path: /.ostiaryx, to: notes}\n", None),
        ("  n: {host: x.notes.localhost, to: notes}\n", "plan.host-outside"),
        ("  n: {host: a.b.apps.localhost, to: notes}\n", None),
        ("  n: {host: '*.b.apps.localhost', to: notes}\n", None),
        ("  n: {host: '*.localhost', to: notes}\n", "plan.host-outside"),
    ],
)
def test_where_and_for_whom_routes_may_stand(routes: str, expected: str | None) -> None:
    if expected is None:
        plan(routes)
    else:
        assert codes(routes) == [expected]


@pytest.mark.parametrize(
    ("one", "other", "clash"),
    [
        ("", "", True),
        ("path: /x", "path: /x/*", False),
        ("path: /x", "path: [/y, /x]", True),
        ("methods: [GET]", "methods: [POST, GET]", True),
        ("methods: [GET]", "methods: [POST]", False),
        ("methods: [GET]", "", False),
    ],
)
def test_two_routes_never_tie(one: str, other: str, *, clash: bool) -> None:
    base = "host: notes.localhost, to: notes, access: public, "
    routes = f"  a: {{{base}{one}}}\n  b: {{{base}{other}}}\n"
    if clash:
        assert set(codes(routes)) == {"plan.duplicate-route"}
    else:
        plan(routes)


def test_warnings_say_what_is_probably_not_meant() -> None:
    routes = (
        "  open: {host: notes.localhost, to: notes}\n"
        "  deny: {host: notes.localhost, path: /a/*, to: notes,"
        " access: [{deny: {paths: [/a/b]}}, {allow: {public: true}}]}\n"
        "  deep: {host: a.b.apps.localhost, to: notes, access: public}\n"
    )
    warnings = plan(routes, HEAD.replace("notes: {at", "idle: {at: '127.0.0.1:1'}, notes: {at"))
    text = "\n".join(warnings.warnings)
    assert len(warnings.warnings) == 4
    for part in ("no `access`", "denies by path", "certificate", "no route passes service idle"):
        assert part in text


def test_a_gateway_that_a_mini_gateway_turns_away_is_warned_of() -> None:
    head = HEAD.replace(
        "gateway:", "gateways: {b: {listeners: {https: {port: 9, hosts: [b.example]}}}}\ngateway:"
    )
    head = head.replace('sock"]', 'sock"], mini_gateway: {port: 7, callers: [b]}')
    warnings = plan(NOTES.replace("{host", "{gateway: main, host"), head).warnings
    assert any("refuses gateway main" in warning for warning in warnings)


def test_sign_in_with_nobody_is_refused() -> None:
    routes = "  n: {host: notes.localhost, to: notes, login: {with: []}, access: [{allow: {}}]}\n"
    assert codes(routes) == ["plan.no-provider"]


def test_a_record_is_what_the_policy_hash_is_of() -> None:
    route = the(plan(NOTES), "notes")
    assert record(route).hash == route.policy


def test_the_place_of_a_route_does_not_stop_at_its_file() -> None:
    assert str(the(plan(NOTES), "notes").place) == "a.yaml:9:3"


def _trees(count: int) -> list[Tree]:
    found = parse("head.yaml", HEAD.encode())
    for number in range(count):
        found += _one(number)
    return found


def _one(number: int, extra: str = "") -> list[Tree]:
    rule = f"login: true, access: [{{allow: {{groups: [g{number % 3}]}}}}]{extra}"
    text = f"routes: {{r{number}: {{host: r{number}.apps.localhost, to: notes, {rule}}}}}"
    return parse(f"{number}.yaml", text.encode())


def test_a_remembering_resolver_gives_what_a_new_one_gives() -> None:
    reader, resolver = Reader(), Resolver()
    trees = _trees(6)
    steps = [
        trees,
        [*trees[:3], *_one(2, ", limits: [{rate: 1/s}]"), *trees[4:]],
        trees[:4],
        [*trees, *_one(9)],
        [*parse("head.yaml", HEAD.replace("8443", "9443").encode()), *trees[1:]],
        trees[:1],
        trees,
    ]
    for step in steps:
        warm, cold = resolver.resolve(reader.read(step)), resolve(read(step))
        assert sorted(warm.routes, key=str) == sorted(cold.routes, key=str)
        assert (warm.services, warm.sign_in, warm.gateways) == (
            cold.services,
            cold.sign_in,
            cold.gateways,
        )


def test_a_service_that_comes_changes_or_goes_is_not_remembered_wrongly() -> None:
    reader, resolver = Reader(), Resolver()
    head, others = _trees(0), _trees(4)[1:]
    mine = "routes: {x: {host: x.apps.localhost, to: mine, access: public}}"
    service = 'services: {{mine: {{at: ["127.0.0.1:{}"], connect_timeout: {}s}}}}'
    for text in (
        service.format(9001, 1),
        service.format(9001, 3),
        "{}",
        service.format(9002, 3),
    ):
        step = [*head, *others, *parse("mine.yaml", text.encode()), *parse("x.yaml", mine.encode())]
        if text == "{}":
            with pytest.raises(Faults):
                resolver.resolve(reader.read(step))
            continue
        warm, cold = resolver.resolve(reader.read(step)), resolve(read(step))
        assert sorted(warm.routes, key=str) == sorted(cold.routes, key=str)
        assert warm.services == cold.services


def test_an_unchanged_route_stays_the_same_value() -> None:
    reader, resolver = Reader(), Resolver()
    trees = _trees(4)
    before = resolver.resolve(reader.read(trees))
    after = resolver.resolve(
        reader.read([*trees[:2], *_one(1, ", limits: [{rate: 1/s}]"), *trees[3:]])
    )
    assert the(after, "r0") is the(before, "r0")
    assert the(after, "r1") is not the(before, "r1")
    assert {id(r) for r in before.routes if r.own} >= {
        id(r) for r in after.routes if r.own and r.hosts != ("login.localhost",)
    }


def test_a_faulty_change_leaves_no_trace() -> None:
    reader, resolver = Reader(), Resolver()
    trees = _trees(3)
    resolver.resolve(reader.read(trees))
    twice = parse(
        "x.yaml",
        b"routes: {x: {host: r1.apps.localhost, to: notes, login: true, access: [{allow: {}}]}}",
    )
    for _ in range(2):
        with pytest.raises(Faults) as raised:
            resolver.resolve(reader.read([*trees, *twice]))
        assert [fault.code for fault in raised.value] == ["plan.duplicate-route"]
    assert len(resolver.resolve(reader.read(trees)).routes) == 7
