"""Plain HTTP only redirects; a pushed change of one host shows on an open connection."""

from __future__ import annotations

import http.client
import time
from pathlib import Path

import pytest
from compiled_site import plan_of, running
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
