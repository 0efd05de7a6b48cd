"""Attacks with names: what a client says about host, path and itself, and what is made of it."""

from __future__ import annotations

import http.client
import json
import posixpath
from collections.abc import Iterator
from urllib.parse import unquote

import pytest
from compiled_site import Site, lines, plan_of, running, upstream
from envoy_process import free_port

pytestmark = pytest.mark.envoy
PLAIN = free_port()

DOCUMENT = """\
gateway:
  https: {{port: {port}, address: 127.0.0.1, hosts: ["*.localhost"]}}
  http: {{port: {plain}, address: 127.0.0.1, redirect: https}}
services: {{app: {{at: ["127.0.0.1:{app}"]}}}}
routes:
  app:
    host: site.localhost
    to: app
    access: [{{allow: {{public: true}}}}, {{deny: {{paths: ["/admin/*"]}}}}]
  wild: {{host: "*.apps.localhost", to: app, access: public}}
"""
_TRICKS = """\
/admin /admin/x //admin /./admin /x/../admin /%2e/admin /x/%2e%2e/admin /x/.%2e/admin /%61dmin
/admin%2fx /%2fadmin /x/..%2fadmin /%5cadmin /\\admin /x\\..\\admin /admin;x /;/admin /admin%3bx
/%00/admin /admin%00 /%2561dmin /%252e%252e/admin /admin%09 /%0aadmin /%c0%ae%c0%ae/admin
/%c1%a1dmin /%e0%81%a1dmin /%f0%80%81%a1dmin /admin?x /admin#x /%u0061dmin /% /%a /%zz /x/..;/admin
/.//admin /../admin http://site.localhost/admin HTTP://site.localhost//%61dmin
/admin/. /admin/x/.. /ADMIN/%2e%2e/admin
"""


@pytest.fixture(scope="module", params=["stock", "guard"])
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    with upstream() as app:
        ports = {"port": free_port(), "plain": PLAIN}
        plan = plan_of(DOCUMENT.format(**ports, app=app.port), request.param)
        with running(plan, tmp_path_factory.mktemp("names"), request.param) as made:
            yield made


@pytest.mark.parametrize("trick", _TRICKS.split())
def test_no_spelling_of_a_path_goes_round_its_rule(site: Site, trick: str) -> None:
    assert site.ask("site.localhost", trick).status in {400, 403}


def test_what_passes_is_read_by_an_application_as_it_was_judged(site: Site) -> None:
    """Every escape of one byte, alone and in the middle: a second reading changes nothing."""
    with site.connect():
        for number in range(0, 256, 3):
            answer = site.ask("site.localhost", f"/a%{number:02x}b")
            if answer.status != 200:
                assert answer.status == 400, answer
                continue
            seen = json.loads(answer.body)["path"]
            bare = unquote(seen)
            assert posixpath.normpath(bare) == bare
            assert "%25" not in seen
            assert json.loads(site.ask("site.localhost", seen).body)["path"] == seen


@pytest.mark.parametrize(
    "host",
    [
        "evil.example,a.apps.localhost",
        "evil.example@a.apps.localhost",
        "evil.example:80.apps.localhost",
        "[::1].apps.localhost",
        "a%00.apps.localhost",
        "a..apps.localhost",
        "*.apps.localhost",
        "$(id).apps.localhost",
    ],
)
def test_below_a_wildcard_only_a_plain_host_name_passes(site: Site, host: str) -> None:
    answer = site.ask(host, "/")
    assert answer.status == 400
    assert "plain host name" in answer.body
    assert answer["x-ostiary-decision"] in answer.body


def test_capitals_below_a_wildcard_are_lowered_by_the_guard_and_refused_without(site: Site) -> None:
    assert site.ask("A.apps.localhost", "/").status == (200 if site.mode == "guard" else 400)


@pytest.mark.parametrize(
    "host", ["a.apps.localhost", "a_b-c.d.apps.localhost", "x.apps.localhost."]
)
def test_a_plain_host_name_below_a_wildcard_passes(site: Site, host: str) -> None:
    assert site.ask(host, "/").status == 200


def test_a_client_says_nothing_about_where_it_comes_from(site: Site) -> None:
    names = ["x-real-ip", "true-client-ip", "x-client-ip", "client-ip", "x-cluster-client-ip"]
    names.append("proxy")
    answer = site.ask("site.localhost", "/", *(f"{name}: 192.0.2.99" for name in names))
    assert answer.status == 200
    assert [name for name in names if lines(answer, name)] == []


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("site.localhost", 307),
        ("evil.example", 404),
        ("site.localhost.evil.example", 404),
        ("evil.example@x.localhost", 400),
    ],
)
def test_plain_http_redirects_to_hosts_of_the_gateway_only(host: str, status: int) -> None:
    client = http.client.HTTPConnection("127.0.0.1", PLAIN, timeout=10)
    client.request("GET", "/x", headers={"Host": host})
    answer = client.getresponse()
    assert answer.status == status
    assert "evil" not in answer.headers.get("location", "")
    assert answer.headers["x-ostiary-decision"]
    client.close()
