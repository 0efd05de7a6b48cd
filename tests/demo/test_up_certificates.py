"""A certificate that a person brings: served, replaced on disk, never given up for a worse one."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.client import HTTPResponse
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from up_process import Up, echo, free_ports, running_up, until

from ostiary.certs.issue import key_pem, pem

pytestmark = pytest.mark.envoy
HOST = "notes.localhost"


def bring(folder: Path, days: int = 30, host: str = HOST) -> int:
    """A certificate signed by itself lies in `folder`; its serial number."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=90))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    for file, content in (("tls.pem", pem(certificate)), ("tls.key", key_pem(key))):
        (folder / f".{file}").write_bytes(content)
    for file in ("tls.pem", "tls.key"):
        (folder / f".{file}").rename(folder / file)
    return certificate.serial_number


def connect(port: int) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    raw = socket.create_connection(("127.0.0.1", port), 5)
    try:
        return context.wrap_socket(raw, server_hostname=HOST)
    except OSError:
        raw.close()
        raise


def served(port: int) -> int | None:
    """The serial number of what a new connection gets; None when there is no handshake."""
    try:
        with connect(port) as secure:
            raw = secure.getpeercert(binary_form=True)
    except OSError:
        return None
    return x509.load_der_x509_certificate(raw).serial_number if raw else None


def answers(connection: ssl.SSLSocket) -> bool:
    """Whether this very connection, opened long ago, still works."""
    connection.sendall(f"GET / HTTP/1.1\r\nhost: {HOST}\r\n\r\n".encode())
    answer = HTTPResponse(connection)
    answer.begin()
    return answer.status == 200 and bool(answer.read())


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    (port,) = free_ports(1)
    file = tmp_path / "gateway.yaml"
    with echo() as app:
        file.write_text(f"""gateway:
  https:
    port: {port}
    address: 127.0.0.1
    hosts: [{HOST}]
    certificate: {{ file: tls.pem, key: tls.key }}
services: {{ app: {{ at: ["{app}"] }} }}
routes: {{ app: {{ host: {HOST}, to: app, access: public }} }}
""")
        yield file, port


def test_a_certificate_on_disk_is_followed(tmp_path: Path, site: tuple[Path, int]) -> None:
    file, port = site
    first = bring(tmp_path)
    with running_up(tmp_path / "state", [file]) as up:
        assert served(port) == first
        with connect(port) as old:
            assert answers(old)
            second = bring(tmp_path)
            until(lambda: served(port) == second, 5)
            assert answers(old)
            _is_broken(up, tmp_path, port, second)
            third = bring(tmp_path)
            until(lambda: served(port) == third, 5)
            until(lambda: up.red() == [])
            _is_expired(up, tmp_path, port, third)
            assert answers(old)
            assert answers(old)
    _restarts_with_what_is_there(tmp_path, file, port)


def _is_broken(up: Up, folder: Path, port: int, good: int) -> None:
    (folder / "tls.pem").write_text("-----BEGIN CERTIFICATE-----\nnot really\n")
    until(lambda: "certificate.broken" in up.red(), 5)
    assert f"{folder}/gateway.yaml:6:" in up.said()
    assert served(port) == good


def _is_expired(up: Up, folder: Path, port: int, good: int) -> None:
    bring(folder, days=-1)
    until(lambda: "certificate.expired" in up.red(), 5)
    assert served(port) == good


def _restarts_with_what_is_there(folder: Path, file: Path, port: int) -> None:
    """The accepted revision with an expired certificate: a closed door, until there is a good one.

    Then a faulty document: the accepted one finds its files beside the document all the same.
    """
    with running_up(folder / "state", [file], ready=False) as up:
        until(lambda: "certificate.expired" in up.said())
        until(lambda: up.cli("status", check=False).returncode == 0)
        assert served(port) is None
        fourth = bring(folder)
        until(lambda: served(port) == fourth)
        until(lambda: up.red() == [])
    text = file.read_text()
    file.write_text(text.replace("to: app", "to: nowhere"))
    with running_up(folder / "state", [file]) as up:
        assert served(port) == fourth
        assert up.red() == ["plan.unknown-service"]
