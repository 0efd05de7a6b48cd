"""A whole installation that lets programs in: keys over TLS, a rotation, `explain`, a verdict."""

from __future__ import annotations

import json
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest
from joserfc.jwk import ECKey
from loopback import loopback_client
from up_process import Up, echo, free_ports, running_up, until

sys.path.append(str(Path(__file__).parents[1] / "envoy"))
from machine_rig import AUDIENCE, ISSUER, Issuer
from xds_certificates import Authority

pytestmark = [
    pytest.mark.envoy,
    pytest.mark.skipif(find_spec("ostiary_guard") is None, reason="credentials need the guard"),
]
HOST, WILD = "api.apps.localhost", "*.apps.localhost"


@contextmanager
def keys_server(folder: Path, issuer: Issuer) -> Iterator[tuple[str, Path]]:
    """Serves the issuer's key set over TLS; its URL and the authority of its certificate."""
    authority = Authority()
    pair = authority.issue("localhost")
    ca, own = folder / "ca.pem", folder / "own.pem"
    ca.write_bytes(authority.pem)
    own.write_bytes(pair.key + pair.certificate)

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = issuer.file.read_bytes()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"https://localhost:{server.server_port}/keys", ca
    finally:
        server.shutdown()
        server.server_close()


def ask(up: Up, token: str) -> tuple[int, str, str]:
    """Status, body and decision of one request."""
    headers = {"authorization": f"Bearer {token}"}
    with loopback_client(str(up.state / "ca.pem")) as client:
        answer = client.get(f"https://{HOST}:{up.https}/", headers=headers)
    return answer.status_code, answer.text, answer.headers.get("x-ostiary-decision", "")


def test_programs_come_in_with_tokens_of_another_issuer(tmp_path: Path) -> None:
    issuer = Issuer(tmp_path / "keys.json")
    (port,) = free_ports(1)
    with keys_server(tmp_path, issuer) as (url, ca), echo() as application:
        document = tmp_path / "gateway.yaml"
        document.write_text(
            f"gateway: {{https: {{port: {port}, address: 127.0.0.1, hosts: ['{WILD}']}}}}\n"
            "identity:\n  issuers:\n"
            f"    corp: {{issuer: '{ISSUER}', keys: {{url: '{url}', ca: {ca.name}}}, "
            f"audiences: '{AUDIENCE}'}}\n"
            f"services: {{api: {{at: '{application}'}}}}\n"
            f"routes: {{api: {{host: {HOST}, to: api, credentials: {{bearer: true}}, "
            "access: [{allow: {groups: [staff]}}]}}\n"
        )
        with running_up(tmp_path / "state", [document], https=port, host=HOST) as up:
            until(lambda: ask(up, issuer.token())[0] == 200, 30, "no token was accepted")
            status, body, _ = ask(up, issuer.token("RS256", sub="other"))
            assert status == 200
            assert "x-ostiary-assertion" in body.lower()
            new = issuer.keys["new"] = ECKey.generate_key("P-256", {"kid": "new"})
            issuer.publish()
            assert ask(up, issuer.token(key=new, header={"kid": "new"}))[0] == 200
            status, body, decision = ask(up, issuer.token(aud="https://elsewhere.test"))
            assert (status, json.loads(body)["reason"]) == (401, "token-audience")
            until(lambda: "is for somebody else" in explained(up, decision), 20, "not explained")
            token = issuer.token(sub="leaver")
            assert ask(up, token)[0] == 200
            up.cli("verdict", "put", "user", "corp:leaver", "--reason", "left")
            assert ask(up, token)[0] == 403
            assert token not in up.logs()


def explained(up: Up, decision: str) -> str:
    return up.cli("explain", decision).stdout
