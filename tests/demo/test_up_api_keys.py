"""A whole installation with API keys: made, used, replaced, revoked, and gone within a second."""

from __future__ import annotations

import json
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
from loopback import loopback_client
from up_process import Up, echo, free_ports, running_up, until

pytestmark = [
    pytest.mark.envoy,
    pytest.mark.skipif(find_spec("ostiary_guard") is None, reason="credentials need the guard"),
]
HOST, WILD = "api.apps.localhost", "*.apps.localhost"


def ask(up: Up, host: str = HOST, **headers: str) -> tuple[int, str]:
    """Status and body of one request."""
    with loopback_client(str(up.state / "ca.pem")) as client:
        answer = client.get(f"https://{host}:{up.https}/", headers=headers)
    return answer.status_code, answer.text


def key(up: Up, *words: str) -> tuple[str, str]:
    """The text and the id of a key that is made."""
    made = json.loads(up.cli("key", *words, "--json").stdout)
    return made["text"], made["key"]["id"]


def test_a_key_opens_until_it_is_revoked(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with echo() as application:
        document = tmp_path / "gateway.yaml"
        document.write_text(
            f"gateway: {{https: {{port: {port}, address: 127.0.0.1, hosts: ['{WILD}']}}}}\n"
            f"services: {{api: {{at: '{application}'}}}}\n"
            f"routes: {{api: {{host: {HOST}, to: api, credentials: {{api_keys: true}}, "
            "access: [{allow: {groups: [staff]}}]}}\n"
        )
        with running_up(tmp_path / "state", [document], https=port, host=HOST) as up:
            until(lambda: not up.red(), 20, "never green")
            assert ask(up)[0] == 401
            text, name = key(up, "create", "backup", "--group", "staff")
            status, body = ask(up, **{"x-api-key": text})
            assert status == 200
            assert text not in body
            seen = json.loads(body)["headers"]
            assert "x-api-key" not in seen
            assert seen["x-ostiary-assertion"]
            assert ask(up, authorization=f"Bearer {text}")[0] == 200
            other, _ = key(up, "create", "guest")
            assert ask(up, **{"x-api-key": other})[0] == 403
            assert "key-malformed" in ask(up, **{"x-api-key": text[:-1] + "!"})[1]
            new, new_name = key(up, "rotate", name, "--overlap", "2s")
            assert ask(up, **{"x-api-key": new})[0] == 200
            assert ask(up, **{"x-api-key": text})[0] == 200
            until(lambda: ask(up, **{"x-api-key": text})[0] == 401, 20, "the old key goes on")
            begun = time.monotonic()
            up.cli("key", "revoke", new_name)
            status, body = ask(up, **{"x-api-key": new})
            assert (status, json.loads(body)["reason"]) == (401, "key-unknown")
            assert time.monotonic() - begun < 10
            assert "guest" in up.cli("key", "list").stdout
            assert "known" not in up.cli("verdict", "list").stdout
            assert not [one for one in (text, new, other) if one in up.logs()]
            stored = b"".join(one.read_bytes() for one in up.state.glob("ostiary.db*"))
            assert text.encode() not in stored


def test_a_key_opens_what_is_behind_a_mini_gateway_and_any_name_of_a_wildcard(
    tmp_path: Path,
) -> None:
    port, beside = free_ports(2)
    allow = "access: [{allow: {groups: [staff]}}]"
    with echo() as application:
        document = tmp_path / "gateway.yaml"
        document.write_text(
            f"gateway: {{https: {{port: {port}, address: 127.0.0.1, hosts: ['{WILD}']}}}}\n"
            f"services:\n  api: {{at: '{application}', "
            f"mini_gateway: {{port: {beside}}}, {allow}}}\n"
            f"routes:\n  api: {{host: '{WILD}', to: api, "
            f"credentials: {{api_keys: true}}, {allow}}}\n"
        )
        with running_up(tmp_path / "state", [document], https=port, host=HOST) as up:
            until(lambda: not up.red(), 20, "never green")
            text, _ = key(up, "create", "backup", "--group", "staff")
            guest, _ = key(up, "create", "guest")
            for host in (HOST, "another.apps.localhost"):
                for _ in range(2):  # first by `login`, then by what the guard remembers
                    status, body = ask(up, host, **{"x-api-key": text})
                    assert (status, host in body) == (200, True)
                assert ask(up, host, **{"x-api-key": guest})[0] == 403
                assert ask(up, host)[0] == 401
