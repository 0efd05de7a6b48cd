"""What the compiled routes do on a real Envoy equals what `plan.match` says, and more."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from compiled_site import Site, lines, plan_of, running, upstream
from envoy_process import free_port

from ostiary.names import local
from ostiary.plan.match import match
from ostiary.plan.model import Plan

pytestmark = pytest.mark.envoy

HOSTS = ["a.localhost", "b.localhost", "*.w.localhost", "n.w.localhost", "*.deep.w.localhost"]
PATHS = ["/*", "/x", "/x/*", "/x/y", "/x/y/*", "/x/y/z", "/xy/*", "/q"]
METHODS = [None, ["GET"], ["POST", "PUT"], ["DELETE"]]
ASKED_HOSTS = [
    "a.localhost",
    "b.localhost",
    "n.w.localhost",
    "other.w.localhost",
    "one.deep.w.localhost",
    "two.one.deep.w.localhost",
    "w.localhost",
    "nobody.localhost",
]
ASKED_PATHS = ["/", "/x", "/x/", "/x/y", "/x/y/", "/x/y/z", "/x/y/z/1", "/xy", "/xyz", "/q", "/q/1"]
ASKED_METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH"]


def _many_routes(seed: int) -> str:
    """A document of about 60 routes, each of which answers with its own name."""
    draw = random.Random(seed)  # noqa: S311  a test's choice
    routes, taken = [], set()
    for number in range(60):
        host, path, methods = draw.choice(HOSTS), draw.choice(PATHS), draw.choice(METHODS)
        claims = {(host, path, method) for method in methods or ["*"]}
        if claims & taken:
            continue
        taken |= claims
        limited = f", methods: {methods}" if methods else ""
        routes.append(
            f'  r{number}: {{host: "{host}", path: "{path}"{limited}, access: public, '
            f"respond: {{body: r{number}}}}}"
        )
    return "\n".join(["routes:", *routes])


def _document(port: int, rest: str) -> str:
    return (
        f'gateway:\n  https: {{port: {port}, address: 127.0.0.1, hosts: ["*.localhost"]}}\n{rest}'
    )


def _expected(plan: Plan, host: str, path: str, method: str) -> str:
    found = match(plan, local("main"), "https", host, path, method)
    return "404" if found is None else found.key.name


@pytest.mark.parametrize("mode", ["stock", "guard"])
def test_host_path_and_method_choose_the_route_that_the_plan_says(
    tmp_path: Path, mode: str
) -> None:
    plan = plan_of(_document(free_port(), _many_routes(7)))
    with running(plan, tmp_path, mode) as site:
        for host in ASKED_HOSTS:
            for path in ASKED_PATHS:
                for method in ASKED_METHODS:
                    answer = site.ask(host, f"{path}?x=/q", method=method)
                    got = answer.body if answer.status == 200 else str(answer.status)
                    assert got == _expected(plan, host, path, method), (host, path, method)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One gateway in front of a real application, for the tests that change nothing."""
    with upstream() as application:
        text = _document(
            free_port(),
            "services:\n"
            f'  app: {{at: ["127.0.0.1:{application.port}"]}}\n'
            f'  dead: {{at: ["127.0.0.1:{free_port()}"]}}\n'
            "routes:\n"
            "  app: {host: app.localhost, to: app, access: public}\n"
            '  wild: {host: "*.wild.localhost", to: app, access: public}\n'
            "  dead: {host: dead.localhost, to: dead, access: public}\n"
            "  shut: {host: shut.localhost, to: app, access: [{deny: {}}]}\n"
            "  said: {host: said.localhost, access: public,\n"
            "         respond: {status: 418, body: '100 %', content_type: text/x-tea},\n"
            "         headers: {response: {set: {x-share: 50%}}}}\n"
            "  cors: {host: cors.localhost, methods: [GET], to: app, access: public,\n"
            '         cors: {origins: ["https://ok.example"], credentials: true}}\n',
        )
        with running(plan_of(text), tmp_path_factory.mktemp("site")) as made:
            made.go_on = application.go_on  # type: ignore[attr-defined]
            yield made


@pytest.mark.parametrize(
    "target",
    [
        "/a;jsessionid=1/b",
        "/a%3bb",
        "/%2565xport",
        "/a%00",
        "/a%2fb",
        "/a%5cb",
        "/a%c0%afb",
        "/a%e0%80%af",
        "/a%ed%a0%80",
        "/a%f5%80%80%80",
        "/a%ff",
        "/a%0d%0ab",
        "/a%7f",
        "/a%",
        "/a%4",
        "/a%zz",
        "/caf\u00e9",
    ],
)
def test_a_path_that_can_be_read_in_two_ways_goes_nowhere(site: Site, target: str) -> None:
    answer = site.ask("app.localhost", target)
    assert answer.status == 400, answer.body


@pytest.mark.parametrize(
    ("target", "seen"),
    [
        ("/a/./b/../c", "/a/c"),
        ("//a///b", "/a/b"),
        ("/%61dmin", "/admin"),
        ("/%7Euser", "/~user"),
        ("/a%20b", "/a%20b"),
        ("/caf%C3%A9", "/caf%C3%A9"),
        ("/%F0%9F%98%80", "/%F0%9F%98%80"),
        ("/a?b=%2f;%25&c=%ff", "/a?b=%2f;%25&c=%ff"),
        ("/a:b@c,d!$&'()*+=", "/a:b@c,d!$&'()*+="),
    ],
)
def test_other_paths_reach_the_application_normalised(site: Site, target: str, seen: str) -> None:
    answer = site.ask("app.localhost", target)
    assert (answer.status, f'"path": "{seen}"' in answer.body) == (200, True), answer.body


def test_what_a_client_may_not_say_is_taken_away(site: Site) -> None:
    answer = site.ask(
        "app.localhost",
        "/",
        "X-Ostiary-Assertion: forged",
        "x-ostiary-scope: https|shut.localhost",
        "X-Forwarded-For: 203.0.113.9",
        "X-Forwarded-Proto: http",
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-Client-Cert: URI=spiffe://x",
        "Forwarded: for=203.0.113.9",
        "X-Envoy-Original-Path: /admin",
        "X-Original-URL: /admin",
        "X-Rewrite-URL: /admin",
        "X-HTTP-Method-Override: DELETE",
        "X-Request-Id: mine",
        "X_Ostiary_Assertion: forged",
        "X-Kept: yes",
    )
    assert answer.status == 200
    gone = ["x-ostiary-assertion", "x-ostiary-scope", "x-forwarded-client-cert", "forwarded"]
    gone += ["x-envoy-original-path", "x-original-url", "x-rewrite-url", "x-http-method-override"]
    gone += ["x_ostiary_assertion"]
    assert {name: lines(answer, name) for name in gone} == {name: [] for name in gone}
    assert lines(answer, "x-kept") == ["yes"]
    assert lines(answer, "x-forwarded-proto") == ["https"]
    assert lines(answer, "x-forwarded-host") == [f"app.localhost:{site.port}"]
    assert "203.0.113.9" not in lines(answer, "x-forwarded-for")[0]
    assert lines(answer, "x-request-id") == [answer["x-ostiary-decision"]]


@pytest.mark.parametrize("host", ["app.localhost", "one.wild.localhost"])
def test_the_application_sees_the_name_and_port_of_the_browser(site: Site, host: str) -> None:
    for spelled in (host, f"{host}:{site.port}", f"{host}:1", f"{host}."):
        assert lines(site.ask(spelled, "/"), "host") == [f"{host}:{site.port}"]


@pytest.mark.parametrize(
    ("host", "target", "headers", "status"),
    [
        ("app.localhost", "/", [], 200),
        ("nobody.localhost", "/", [], 404),
        ("APP.localhost", "/", [], 400),
        ("app.localhost", "/a;b", [], 400),
        ("shut.localhost", "/", [], 403),
        ("dead.localhost", "/", [], 503),
        ("said.localhost", "/", [], 418),
    ],
)
def test_every_answer_has_a_decision_id_of_ours(
    site: Site, host: str, target: str, headers: list[str], status: int
) -> None:
    answers = [site.ask(host, target, *headers) for _ in range(2)]
    assert [one.status for one in answers] == [status, status]
    ids = {one["x-ostiary-decision"] for one in answers}
    assert len(ids) == 2
    assert all(len(one) == 36 for one in ids), ids


def test_a_fixed_answer_is_said_as_it_was_written(site: Site) -> None:
    answer = site.ask("said.localhost", "/")
    assert (answer.body, answer["content-type"], answer["x-share"]) == (
        "100 %",
        "text/x-tea",
        "50%",
    )
    assert answer["x-content-type-options"] == "nosniff"


PREFLIGHT = "Access-Control-Request-Method: GET"


def test_a_true_preflight_of_an_allowed_origin_is_answered_at_the_gateway(site: Site) -> None:
    answer = site.ask(
        "cors.localhost", "/", "Origin: https://ok.example", PREFLIGHT, method="OPTIONS"
    )
    assert (answer.status, answer["access-control-allow-origin"]) == (200, "https://ok.example")
    assert answer["access-control-allow-credentials"] == "true"
    assert answer["x-ostiary-decision"]


@pytest.mark.parametrize(
    "headers",
    [
        ["Origin: https://evil.example", PREFLIGHT],
        ["Origin: https://ok.example.evil.example", PREFLIGHT],
        ["Origin: https://ok.example"],
        [PREFLIGHT],
    ],
)
def test_no_other_options_request_gets_past_the_methods(site: Site, headers: list[str]) -> None:
    answer = site.ask("cors.localhost", "/", *headers, method="OPTIONS")
    assert (answer.status, answer["access-control-allow-origin"]) == (404, "")


def test_only_an_allowed_origin_may_read_an_answer(site: Site) -> None:
    allowed = site.ask("cors.localhost", "/", "Origin: https://ok.example")
    other = site.ask("cors.localhost", "/", "Origin: https://evil.example")
    assert allowed["access-control-allow-origin"] == "https://ok.example"
    assert (other.status, other["access-control-allow-origin"]) == (200, "")


def test_events_arrive_while_the_answer_goes_on(site: Site) -> None:
    with site.connect() as wire:
        wire.sendall(b"GET /events HTTP/1.1\r\nHost: app.localhost\r\n\r\n")
        seen = b""
        while b"first" not in seen:
            seen += wire.recv(4096)
        assert b"second" not in seen
        site.go_on.set()  # type: ignore[attr-defined]
        while b"second" not in seen:
            seen += wire.recv(4096)


def test_a_websocket_passes_both_ways(site: Site) -> None:
    with site.connect() as wire:
        wire.sendall(
            b"GET /ws HTTP/1.1\r\nHost: app.localhost\r\nConnection: Upgrade\r\n"
            b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n\r\n"
        )
        assert b" 101 " in wire.recv(4096)
        wire.sendall(b"ping")
        assert wire.recv(4096) == b"ping"
