"""Keys of an issuer over real TLS: whatever its server does, the fetch ends, in words."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from machine_rig import corp_of
from xds_certificates import Authority

from ostiary.errors import Refused, Unreachable
from ostiary.identity.issuers import Issuer
from ostiary.sources import key_sets
from ostiary.sources.key_sets import fetch_keys

Answer = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def issuer_that(folder: Path, answer: Answer, *, known: bool = True) -> Iterator[Issuer]:
    """An issuer whose server answers so; `known`: its certificate is of the named authority."""
    authority = Authority()
    pair = authority.issue("localhost")
    ca, own = folder / "ca.pem", folder / "own.pem"
    ca.write_bytes((authority if known else Authority()).pem)
    own.write_bytes(pair.key + pair.certificate)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"https://localhost:{server.server_port}/keys"
        yield replace(corp_of(Path()), file="", url=url, ca=str(ca))
    finally:
        server.shutdown()
        server.server_close()


def says(status: int, body: bytes, **headers: str) -> Answer:
    """One whole answer."""

    def answer(to: BaseHTTPRequestHandler) -> None:
        to.send_response(status)
        for name, value in {"content-length": str(len(body)), **headers}.items():
            to.send_header(name, value)
        to.end_headers()
        to.wfile.write(body)

    return answer


def drips(to: BaseHTTPRequestHandler) -> None:
    """A byte now and then, for longer than anybody should wait."""
    to.send_response(200)
    to.send_header("content-length", "100000")
    to.end_headers()
    gone = threading.Event()
    for _ in range(400):
        try:
            to.wfile.write(b" ")
        except OSError:
            return
        gone.wait(0.05)


KEY = {"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "AA", "d": "never ours to have"}


def test_the_public_parts_come_and_nothing_else(tmp_path: Path) -> None:
    body = json.dumps({"keys": [KEY], "more": 1}).encode()
    with issuer_that(tmp_path, says(200, body)) as issuer:
        found = json.loads(fetch_keys(issuer))
    assert found == {"keys": [{name: KEY[name] for name in ("kty", "crv", "kid", "x")}]}


def test_a_server_that_drips_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_sets, "_PATIENCE", 0.5)
    with issuer_that(tmp_path, drips) as issuer, pytest.raises(Unreachable, match="took more"):
        fetch_keys(issuer)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (says(302, b"", location="https://localhost/elsewhere"), "answered 302"),
        (says(500, b"{}"), "answered 500"),
        (says(200, b" " * (256 * 1024 + 1)), "more than"),
    ],
)
def test_what_is_no_answer_is_none(tmp_path: Path, answer: Answer, words: str) -> None:
    with issuer_that(tmp_path, answer) as issuer, pytest.raises(Unreachable, match=words):
        fetch_keys(issuer)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"keys": 1}', b'{"keys": ["a"]}'])
def test_what_is_no_key_set_is_refused(tmp_path: Path, body: bytes) -> None:
    with issuer_that(tmp_path, says(200, body)) as issuer, pytest.raises(Refused):
        fetch_keys(issuer)


def test_a_server_of_another_authority_is_not_believed(tmp_path: Path) -> None:
    with (
        issuer_that(tmp_path, says(200, b'{"keys": []}'), known=False) as issuer,
        pytest.raises(Unreachable, match="certificate"),
    ):
        fetch_keys(issuer)
