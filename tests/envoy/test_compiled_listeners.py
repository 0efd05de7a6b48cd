"""Listeners: plain HTTP only redirects, a pushed change closes nothing, ports are not shared."""

from __future__ import annotations

import http.client
import time
from pathlib import Path

import pytest
from compiled_site import lines, plan_of, running, upstream
from envoy_process import free_port

pytestmark = pytest.mark.envoy


def _document(https: int, http_port: int, body: str) -> str:
    return (
        "gateway:\n"
        f'  https: {{port: {https}, address: 127.0.0.1, hosts: ["*.localhost"]}}\n'
        f"  http: {{port: {http_port}, address: 127.0.0.1, redirect: https}}\n"
        "routes:\n"
        f"  a: {{host: a.localhost, access: public, respond: {{body: {body}}}}}\n"
    )


def test_plain_http_redirects_with_path_and_query(tmp_path: Path) -> None:
    https, plain = free_port(), free_port()
    with running(plan_of(_document(https, plain, "one")), tmp_path):
        client = http.client.HTTPConnection("127.0.0.1", plain, timeout=10)
        client.request("POST", "/a/b?c=%2f&d=1", headers={"Host": f"a.localhost:{plain}"})
        answer = client.getresponse()
        assert answer.status == 307
        assert answer.headers["location"] == f"https://a.localhost:{https}/a/b?c=%2f&d=1"
        assert answer.headers["x-ostiary-decision"]
        client.close()


def test_a_changed_route_shows_without_closing_connections(tmp_path: Path) -> None:
    https, plain = free_port(), free_port()
    with running(plan_of(_document(https, plain, "one")), tmp_path) as site, site.connect() as wire:
        ask = b"GET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n"
        wire.sendall(ask)
        assert b"one" in wire.recv(4096)
        site.push(plan_of(_document(https, plain, "two")))
        end = time.monotonic() + 5
        seen = b""
        while b"two" not in seen and time.monotonic() < end:
            wire.sendall(ask)
            seen = wire.recv(4096)
            assert b"connection: close" not in seen
        assert b"two" in seen


@pytest.mark.parametrize(("trusted", "believed"), [("127.0.0.0/8", True), ("192.0.2.0/24", False)])
def test_only_a_trusted_proxy_says_where_a_request_came_from(
    tmp_path: Path, trusted: str, *, believed: bool
) -> None:
    with upstream() as application:
        text = (
            "gateway:\n"
            f'  https: {{port: {free_port()}, address: 127.0.0.1, hosts: ["*.localhost"]}}\n'
            f'  trusted_proxies: ["{trusted}"]\n'
            f'services: {{app: {{at: ["127.0.0.1:{application.port}"]}}}}\n'
            "routes: {app: {host: a.localhost, to: app, access: public}}\n"
        )
        with running(plan_of(text), tmp_path) as site:
            answer = site.ask("a.localhost", "/", "X-Forwarded-For: 203.0.113.9", "X-Ostiary-A: 1")
            assert ("203.0.113.9" in lines(answer, "x-forwarded-for")[0]) is believed
            assert lines(answer, "x-ostiary-a") == []


def test_a_second_envoy_on_the_same_port_gets_nothing(tmp_path: Path) -> None:
    """Sharing a port silently would give half of the connections to another configuration."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    port = free_port()
    with running(plan_of(_document(port, free_port(), "one")), one) as site:
        with (
            pytest.raises(AssertionError, match="Address already in use"),
            running(plan_of(_document(port, free_port(), "two")), two),
        ):
            pass
        assert {site.ask("a.localhost", "/").body for _ in range(8)} == {"one"}
