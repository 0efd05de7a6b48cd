"""Names, scopes, clusters and answers of the compiler, one fact a test."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest
from compiler_plans import MAIN, NOTES, WORLD, plan, route, service

from ostiary.certs import spiffe
from ostiary.compiler.compile import compile as compile_plan
from ostiary.compiler.lint import lint, message_of
from ostiary.compiler.paths import GOOD_PATH
from ostiary.compiler.resources import CLUSTER, ENDPOINTS, FILTER, SCOPE, View
from ostiary.compiler.scopes import scope_of, wildcard_scopes
from ostiary.compiler.spelling import serving_certificates
from ostiary.features.headers import HeaderChange
from ostiary.features.respond import Respond
from ostiary.features.timeouts import Timeouts, milliseconds
from ostiary.plan.model import Listener, MiniGateway, PathKind, Plan, Route

EDGE = spiffe.gateway_id("test", MAIN)


def _edge(made: Plan) -> View:
    view = compile_plan(made, WORLD).views[EDGE]
    lint(view)
    return view


def _routes(*routes: Route, host: str) -> list[Any]:
    scope: Any = message_of(_edge(plan(*routes)).resources[SCOPE][f"https|{host}"])
    return list(scope.route_configuration.virtual_hosts[0].routes)


def test_exact_beats_prefix_beats_shorter_and_named_methods_beat_all() -> None:
    routes = [
        route("all", "h"),
        route("x", "h", "/x"),
        route("get-x", "h", "/x", methods=("GET",)),
        route("exact-x", "h", "/x", kind=PathKind.EXACT),
        route("x-y", "h", "/x/y"),
    ]
    names = [one.name.partition("@")[0].rpartition("/")[2] for one in _routes(*routes, host="h")]
    assert names == ["exact-x", "x-y", "get-x", "x", "all"]


def test_nobody_passes_without_access_and_the_service_is_never_named() -> None:
    shut = dataclasses.replace(route("a", "h"), levels=())
    made = _routes(shut, host="h")[0]
    assert (made.direct_response.status, made.HasField("route")) == (403, False)


def test_a_faulty_route_says_its_sentence() -> None:
    made = _routes(dataclasses.replace(route("a", "h"), denied="it is broken"), host="h")[0]
    assert made.direct_response.status == 503
    assert "it is broken" in made.direct_response.body.inline_string


def test_respond_stands_in_the_place_of_forwarding() -> None:
    blocks = {"respond": Respond(status=410), "timeouts": Timeouts(request="1s")}
    made = _routes(dataclasses.replace(route("a", "h"), service=None, blocks=blocks), host="h")[0]
    assert (made.direct_response.status, made.HasField("route")) == (410, False)


def test_a_stream_is_never_cut_by_a_timeout_nobody_wrote() -> None:
    made = _routes(route("a", "h"), host="h")[0]
    assert made.route.HasField("timeout")
    assert made.route.timeout.ToNanoseconds() == 0


def test_endpoints_come_over_their_own_lane_unless_names_must_be_resolved() -> None:
    addresses = _edge(plan(route("a", "h")))
    assert set(addresses.resources[ENDPOINTS]) == {"svc/default/default/notes"}
    names = _edge(plan(route("a", "h"), notes=service(host="notes.internal")))
    assert ENDPOINTS not in names.resources


def test_an_edge_never_learns_the_endpoints_behind_a_mini_gateway() -> None:
    mini = MiniGateway("127.0.0.1", 15443, (MAIN,))
    made = plan(route("a", "h"), notes=service(mini))
    views = compile_plan(made, WORLD).views
    inner = spiffe.service_id("test", NOTES)
    edge: Any = message_of(views[EDGE].resources[ENDPOINTS]["svc/default/default/notes"])
    behind: Any = message_of(views[inner].resources[ENDPOINTS]["svc/default/default/notes"])
    assert (_port(edge), _port(behind)) == (15443, 9001)
    assert b"9001" not in b"".join(r.body for r in views[EDGE].resources[CLUSTER].values())
    assert SCOPE not in views[inner].resources


def test_every_slot_has_its_resource() -> None:
    names = list(_edge(plan(route("a", "h"))).resources[FILTER])
    stages = "shed pages cors who gate slow handover may how_much hygiene forgeries whole"
    assert names == [f"ostiary.{stage}" for stage in stages.split()]


@pytest.mark.parametrize(
    ("hosts", "scopes"),
    [
        (["a.x", "b.x"], ()),
        (["*.x", "*.a.x", "b.a.x"], ("*.x",)),
        (["*.x", "*.y"], ("*.x", "*.y")),
        (["*", "*.x", "a.x"], ("*",)),
    ],
)
def test_only_the_widest_wildcards_are_scopes(hosts: list[str], scopes: tuple[str, ...]) -> None:
    assert wildcard_scopes(hosts) == scopes


def test_a_host_stands_in_the_scope_above_it_or_in_its_own() -> None:
    assert scope_of("a.x", ("*.x",)) == "*.x"
    assert scope_of("x", ("*.x",)) == "x"
    assert scope_of("ax", ("*.x",)) == "ax"


def test_certificates_carry_fifty_names_each() -> None:
    hosts = tuple(f"h{n}.localhost" for n in range(120))
    listener = Listener("https", "0.0.0.0", 443, hosts, tls=True, files=None, redirect_to=None)  # noqa: S104
    made = list(serving_certificates(MAIN, listener, None))
    assert [len(names) for _, names in made] == [50, 50, 20]
    assert made[2][0] == "serving/default/default/main/https/2"


@pytest.mark.parametrize(
    "path", ["/", "/a-b_c.d~e", "/%20", "/%C3%A9", "/%e2%82%ac", "/%F4%8F%BF%BF", "/a?%25;%00"]
)
def test_a_sound_path_is_good(path: str) -> None:
    assert re.fullmatch(GOOD_PATH, path)


@pytest.mark.parametrize(
    "path",
    [
        "*",
        "/a;b",
        "/%3B",
        "/%25",
        "/%2f",
        "/%5C",
        "/\\",
        "/%00",
        "/%1f",
        "/%7F",
        "/%c0%80",
        "/%c1%bf",
        "/%c2%80",
        "/%c3",
        "/%e0%80%80",
        "/%ed%a0%80",
        "/%f0%80%80%80",
        "/%f4%90%80%80",
        "/%f5%80%80%80",
        "/%80",
        "/%g0",
        "/a#b",
        "/\u00e9",
    ],
)
def test_a_path_with_two_readings_is_not_good(path: str) -> None:
    assert not re.fullmatch(GOOD_PATH, path)


@pytest.mark.parametrize(
    "name", ["X-Ostiary-Assertion", "x-envoy-a", "Host", ":path", "a b", "a_b", "X-Forwarded-For"]
)
def test_headers_of_the_gateway_cannot_be_written(name: str) -> None:
    for change in ({"set": {name: "x"}}, {"add": {name: "x"}}, {"remove": [name]}):
        with pytest.raises(ValueError, match=r"header|gateway|frames"):
            HeaderChange.model_validate(change)


def test_a_header_value_cannot_begin_another_line() -> None:
    with pytest.raises(ValueError, match="control character"):
        HeaderChange(set={"a": "b\r\nc: d"})


def test_durations_are_read_with_their_unit() -> None:
    assert [milliseconds(text) for text in ("250ms", "30s", "5m", "1h")] == [
        250,
        30_000,
        300_000,
        3_600_000,
    ]


def _port(assignment: Any) -> int:
    return int(assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address.port_value)
