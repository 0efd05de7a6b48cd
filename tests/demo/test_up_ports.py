"""A port that is taken: said once in words, the other gateways go on, and it recovers."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import httpx
import pytest
from loopback import loopback_client
from up_process import Up, echo, end, free_ports, running_up, start_up, until, wait_ready

pytestmark = pytest.mark.envoy


def document(app: str, ports: dict[str, int]) -> str:
    """A gateway for each name, with one open route."""
    gateways = "".join(
        f"  {name}:\n    listeners:\n"
        f"      https: {{ port: {port}, address: 127.0.0.1, hosts: [{name}.localhost] }}\n"
        for name, port in ports.items()
    )
    routes = "".join(
        f"  {name}: {{ gateway: {name}, host: {name}.localhost, to: app, access: public }}\n"
        for name in ports
    )
    return f'gateways:\n{gateways}services:\n  app: {{ at: ["{app}"] }}\nroutes:\n{routes}'


@contextmanager
def taken(port: int) -> Iterator[None]:
    with socket.socket() as plain:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        plain.bind(("127.0.0.1", port))
        plain.listen()
        yield


def serves(up: Up, host: str, port: int) -> bool:
    with closing(loopback_client(up.facts["ca"])) as client:
        try:
            return client.get(f"https://{host}:{port}/").status_code == 200
        except httpx.TransportError:
            return False


def test_a_port_taken_at_the_start(tmp_path: Path) -> None:
    one, two = free_ports(2)
    file, sentence = (
        tmp_path / "gateway.yaml",
        f"another program listens on 127.0.0.1:{two} already",
    )
    with echo() as app, ExitStack() as other:
        file.write_text(document(app, {"one": one, "two": two}))
        other.enter_context(taken(two))
        with running_up(tmp_path / "state", [file], ready=False) as up:
            until(lambda: sentence in up.said())
            until(lambda: serves(up, "one.localhost", one))
            until(lambda: up.red() == ["port-taken"])
            assert sentence in up.cli("status").stdout
            log = up.state / "log/proxy-gateway-two.log"
            until(lambda: log.read_text().count(sentence) >= 3)  # it was started again twice
            assert up.said().count(sentence) == 1
            assert "ended with" not in up.said()
            other.close()
            wait_ready(up, 10)
            assert serves(up, "two.localhost", two)
            assert up.red() == []


def test_a_port_taken_by_another_envoy_is_given_back(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    file = tmp_path / "gateway.yaml"
    with echo() as app:
        file.write_text(document(app, {"one": port}))
        with running_up(tmp_path / "first", [file]) as first:
            second = start_up(tmp_path / "second", [file])
            try:
                until(lambda: f"127.0.0.1:{port} already" in second.said(), 10)
                assert serves(first, "one.localhost", port)
                end(first)
                wait_ready(second, 10)
                assert serves(second, "one.localhost", port)
                assert second.red() == []
            finally:
                end(second)


def test_a_port_taken_while_running(tmp_path: Path) -> None:
    one, two = free_ports(2)
    file = tmp_path / "gateway.yaml"
    with echo() as app:
        text = document(app, {"one": one})
        file.write_text(text)
        listener = f"      more: {{ port: {two}, address: 127.0.0.1, hosts: [more.localhost] }}\n"
        route = "  more: { gateway: one, host: more.localhost, to: app, access: public }\n"
        with running_up(tmp_path / "state", [file]) as up:
            with taken(two):
                file.write_text(text.replace("services:", listener + "services:") + route)
                until(lambda: f"cannot bind '127.0.0.1:{two}': Address already in use" in up.said())
                assert f"{file}:2:" in up.said()  # the gateway's line
                assert serves(up, "one.localhost", one)
                time.sleep(2.5)  # it is offered again meanwhile
                assert up.red() == ["xds.refused"]
                assert up.said().count("Address already in use") == 1
            until(lambda: serves(up, "more.localhost", two))
            until(lambda: up.red() == [])
