"""The reference meaning of routing."""

from __future__ import annotations

import pytest

from ostiary.language.read import read
from ostiary.names import local
from ostiary.plan.hosts import covers, sign_in_host
from ostiary.plan.match import match
from ostiary.plan.resolve import resolve
from ostiary.sources.yaml_tree import parse

DOCUMENT = b"""
gateway: {https: {port: 1, hosts: ["*.x.localhost"]}}
services: {s: {at: "127.0.0.1:1"}}
routes:
  wide: {host: "*.x.localhost", to: s, access: public}
  near: {host: "*.y.x.localhost", to: s, access: public}
  exact: {host: a.x.localhost, path: /a/*, to: s, access: public}
  page: {host: a.x.localhost, path: /a/b, to: s, access: public}
  post: {host: a.x.localhost, path: /a/b, methods: [POST], to: s, access: public}
  deep: {host: a.x.localhost, path: /a/b/*, methods: [GET], to: s, access: public}
"""
PLAN = resolve(read(parse("a.yaml", DOCUMENT)))


@pytest.mark.parametrize(
    ("host", "path", "method", "name"),
    [
        ("b.x.localhost", "/", "GET", "wide"),
        ("c.b.x.localhost", "/", "GET", "wide"),
        ("b.y.x.localhost", "/", "GET", "near"),
        ("y.x.localhost", "/", "GET", "wide"),
        ("x.localhost", "/", "GET", None),
        ("a.x.localhost", "/", "GET", None),
        ("a.x.localhost", "/a", "GET", "exact"),
        ("a.x.localhost", "/ab", "GET", None),
        ("a.x.localhost", "/a/", "GET", "exact"),
        ("a.x.localhost", "/a/b", "GET", "page"),
        ("a.x.localhost", "/a/b", "POST", "post"),
        ("a.x.localhost", "/a/b/c", "GET", "deep"),
        ("a.x.localhost", "/a/b/c", "POST", "exact"),
    ],
)
def test_the_most_specific_wins(host: str, path: str, method: str, name: str | None) -> None:
    found = match(PLAN, local("main"), "https", host, path, method)
    assert (found and found.key.name) == name


def test_another_gateway_or_listener_has_no_route() -> None:
    assert match(PLAN, local("other"), "https", "b.x.localhost", "/", "GET") is None
    assert match(PLAN, local("main"), "http", "b.x.localhost", "/", "GET") is None


@pytest.mark.parametrize(
    ("pattern", "host", "holds"),
    [
        ("*", "a.example", True),
        ("a.example", "a.example", True),
        ("*.example", "a.example", True),
        ("*.example", "example", False),
        ("*.example", "*.a.example", True),
        ("*.a.example", "*.example", False),
        ("*.a.example", "xa.example", False),
    ],
)
def test_covering(pattern: str, host: str, *, holds: bool) -> None:
    assert covers(pattern, host) is holds


@pytest.mark.parametrize(
    ("hosts", "found"),
    [
        (["*.apps.localhost"], "login.apps.localhost"),
        (["notes.localhost"], "login.localhost"),
        (["localhost"], "login.localhost"),
        (["notes.example"], "login.notes.example"),
        (["a.corp.example", "b.corp.example"], "login.corp.example"),
        (["corp.example", "app.corp.example"], "login.corp.example"),
        (["shop.co.uk"], "login.shop.co.uk"),
        (["*.shop.co.uk", "shop.co.uk"], "login.shop.co.uk"),
        (["a.example", "b.test"], None),
        (["a.co.uk", "b.co.uk"], None),
        (["*"], None),
    ],
)
def test_people_sign_in_below_a_domain_that_is_the_writers(
    hosts: list[str], found: str | None
) -> None:
    assert sign_in_host(hosts) == found
