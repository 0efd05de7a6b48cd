"""A mini gateway answers nobody but a declared caller who brings a user's assertion."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from compiled_site import (
    Answer,
    compiled,
    lines,
    plan_of,
    read_answer,
    signed,
    trust,
    upstream,
)
from envoy_process import free_port, serve
from xds_certificates import Authority

from ostiary.certs import spiffe
from ostiary.names import local
from ostiary.wire import ASSERTION_HEADER, ASSERTION_TYPE

pytestmark = pytest.mark.envoy

DOCUMENT = """\
trust_domain: test
gateway:
  https: {{port: 8443, address: 127.0.0.1, hosts: ["*.localhost"]}}
identity: {{providers: {{local: {{}}}}}}
services:
  notes:
    at: ["127.0.0.1:{upstream}"]
    mini_gateway: {{address: 127.0.0.1, port: {port}}}
    access: [{{allow: {{users: [ann], methods: [GET]}}}}]
routes:
  notes: {{host: notes.localhost, to: notes, login: true, access: [{{allow: {{}}}}]}}
"""
EDGE = spiffe.gateway_id("test", local("main"))
NOTES = spiffe.service_id("test", local("notes"))


@dataclass
class Mini:
    """One running mini gateway and the authority it trusts."""

    port: int
    authority: Authority
    folder: Path
    group_set: str

    def ask(self, caller: str | None, *headers: str, method: str = "GET") -> Answer:
        """One request under the SPIFFE id `caller`; None brings no certificate."""
        return self.ask_as(self.authority, caller, *headers, method=method)

    def ask_as(
        self, authority: Authority, caller: str | None, *headers: str, method: str = "GET"
    ) -> Answer:
        """The same, with a certificate of another authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if caller is not None:
            pair = authority.issue(caller)
            (self.folder / "client.pem").write_bytes(pair.certificate + pair.key)
            context.load_cert_chain(self.folder / "client.pem")
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        with context.wrap_socket(raw) as wire:
            assert wire.version() == "TLSv1.3"
            head = [f"{method} / HTTP/1.1", "Host: notes.localhost:8443"]
            head += ["X-Forwarded-Host: notes.localhost:8443", *headers]
            wire.sendall("\r\n".join(head).encode() + b"\r\n\r\n")
            return read_answer(wire)

    def assertion(self, **changed: object) -> str:
        """A header line with the assertion of the user `ann`."""
        now = int(time.time())
        claims: dict[str, object] = {
            "iss": "ostiary",
            "aud": [NOTES],
            "sub": "ann",
            "host": "notes.localhost",
            "gv": self.group_set,
            "groups": [],
            "iat": now,
            "exp": now + 200,
        }
        return f"{ASSERTION_HEADER}: {signed(claims | changed, ASSERTION_TYPE)}"


@pytest.fixture(scope="module")
def mini(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mini]:
    folder = tmp_path_factory.mktemp("mini")
    with upstream() as application:
        port = free_port()
        plan = plan_of(DOCUMENT.format(upstream=application.port, port=port))
        view = compiled(plan).views[NOTES]
        authority = Authority()
        trust(folder, authority, NOTES)
        with serve(view, folder) as envoy:
            assert "rejected" not in envoy.log, envoy.log
            yield Mini(port, authority, folder, plan.sign_in[local("main")].group_set)


def test_the_declared_caller_with_an_assertion_reaches_the_resource(mini: Mini) -> None:
    answer = mini.ask(EDGE, mini.assertion())
    assert answer.status == 200, answer.body
    assert lines(answer, "host") == ["notes.localhost:8443"]
    assert lines(answer, ASSERTION_HEADER), "the application may verify it again"


def test_without_a_certificate_there_is_no_connection(mini: Mini) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError, EOFError)):
        mini.ask(None, mini.assertion())


def test_a_certificate_of_another_authority_is_no_certificate(mini: Mini) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError, EOFError)):
        mini.ask_as(Authority(), EDGE, mini.assertion())


@pytest.mark.parametrize("caller", ["spiffe://test/default/default/gateway/other", NOTES])
def test_a_caller_who_is_not_declared_is_refused(mini: Mini, caller: str) -> None:
    answer = mini.ask(caller, mini.assertion())
    assert (answer.status, "declared callers" in answer.body) == (403, True)


def test_the_edge_without_an_assertion_is_refused(mini: Mini) -> None:
    answer = mini.ask(EDGE)
    assert answer.status == 403
    assert "no valid identity assertion" in answer.body
    assert answer["x-ostiary-decision"]


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": ["spiffe://test/default/default/service/other"]},
        {"iss": "somebody"},
        {"sub": "bob"},
        {"host": "other.localhost"},
        {"exp": int(time.time()) - 60},
        {"exp": int(time.time()) + 86_400},
    ],
)
def test_an_assertion_for_somebody_or_something_else_is_refused(
    mini: Mini, changed: dict[str, object]
) -> None:
    assert mini.ask(EDGE, mini.assertion(**changed)).status in {401, 403}


def test_the_access_of_the_service_is_asked_again(mini: Mini) -> None:
    assert mini.ask(EDGE, mini.assertion(), "Content-Length: 0", method="POST").status == 403
