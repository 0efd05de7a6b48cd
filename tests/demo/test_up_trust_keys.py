"""What an application is told of a request's trust, and that it can check who said so."""

from __future__ import annotations

import contextlib
from importlib.util import find_spec
from pathlib import Path

import pytest
from joserfc import jwt as tokens
from joserfc.jwk import KeySet
from loopback import loopback_client
from up_process import echo, free_ports, running_up, until

pytestmark = [
    pytest.mark.envoy,
    pytest.mark.skipif(find_spec("ostiary_guard") is None, reason="NO GUARD"),
]
DOCUMENT = """\
gateway: {{https: {{port: {port}, address: 127.0.0.1, hosts: [notes.localhost]}}}}
identity: {{providers: {{local: {{}}}}}}
services: {{app: {{at: ["{app}"]}}}}
routes:
  open: {{host: notes.localhost, path: /open, to: app, access: public}}
  notes: {{host: notes.localhost, to: app, login: true, access: [{{allow: {{users: [ada]}}}}]}}
"""


def test_the_header_is_verified_with_the_keys_that_are_published(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    document = tmp_path / "gateway.yaml"
    with echo() as app:
        document.write_text(DOCUMENT.format(port=port, app=app))
        with running_up(tmp_path / "state", [document], https=port) as up:
            until(lambda: not up.red(), 20, "never green")
            with contextlib.closing(loopback_client(up.facts["ca"])) as client:
                url = up.facts["url"]
                forged = {"x-ostiary-trust": "forged"}
                plain = client.get(f"{url}/open", headers=forged).json()["headers"]
                assert "x-ostiary-trust" not in plain
                score = ("address", "127.0.0.1", "--effect", "score", "--score", "70")
                up.cli("verdict", "put", *score, "--reason", "odd-hours")
                said = client.get(f"{url}/open", headers=forged).json()["headers"]
                # A guard tells its key when it connects, and the page is another process.
                until(lambda: client.get(f"{url}/.ostiary/trust-keys").json()["keys"], 10)
                keys = client.get(f"{url}/.ostiary/trust-keys").json()
                others = client.get(f"{url}/.ostiary/keys").json()
    token = tokens.decode(said["x-ostiary-trust"], KeySet.import_key_set(keys))
    assert token.claims["risk"] == 70
    assert token.claims["reason"] == "odd-hours"
    assert token.header["kid"] in {one["kid"] for one in keys["keys"]}
    assert token.header["kid"] not in {one["kid"] for one in others["keys"]}
