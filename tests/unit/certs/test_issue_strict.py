"""What we issue passes the strictest check Python has, which is its default from 3.13 on."""

from __future__ import annotations

import contextlib
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from ostiary.certs import issue
from ostiary.certs.issue import Issuer, Request
from ostiary.certs.spiffe import control_plane_host
from ostiary.certs.validity import starting

DOMAIN = "demo.ostiary"
HOST = control_plane_host(DOMAIN)
VALIDITY = starting(datetime.now(UTC), timedelta(hours=1))
KEY = ec.generate_private_key(ec.SECP256R1())
WEB = Issuer(issue.root(KEY, "Ostiary web", 1, VALIDITY), KEY)
WORKLOADS = Issuer(issue.workload_root(KEY, DOMAIN, 2, VALIDITY), KEY)
REQUEST = Request(KEY.public_key(), 3, VALIDITY)


def strict(purpose: int, root: Issuer) -> ssl.SSLContext:
    context = ssl.SSLContext(purpose)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_verify_locations(cadata=issue.pem(root.certificate).decode())
    return context


def present(context: ssl.SSLContext, leaf: x509.Certificate, folder: Path) -> None:
    file = folder / f"{leaf.serial_number}.pem"
    file.write_bytes(issue.key_pem(KEY) + issue.pem(leaf))
    context.load_cert_chain(file)


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, host: str) -> None:
    """Both sides have verified the other, or the one that does not raises."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [client.wrap_bio(down, up, server_hostname=host)]
    sides.append(server.wrap_bio(up, down, server_side=True))
    for side in sides * 2:
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    for side in sides:
        side.do_handshake()


@pytest.mark.parametrize("host", ["notes.localhost", "a.x.example", "127.0.0.1"])
def test_a_strict_browser_takes_a_serving_certificate(host: str, tmp_path: Path) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf = issue.serving(WEB, REQUEST, ["notes.localhost", "*.x.example", "127.0.0.1"])
    present(server, leaf, tmp_path)
    shake_hands(strict(ssl.PROTOCOL_TLS_CLIENT, WEB), server, host)


def test_two_strict_workloads_take_each_other(tmp_path: Path) -> None:
    client, server = (
        strict(ssl.PROTOCOL_TLS_CLIENT, WORKLOADS),
        strict(ssl.PROTOCOL_TLS_SERVER, WORKLOADS),
    )
    server.verify_mode = ssl.CERT_REQUIRED
    for context in (client, server):
        leaf = issue.svid(WORKLOADS, REQUEST, f"spiffe://{DOMAIN}/ostiary/control-plane", HOST)
        present(context, leaf, tmp_path)
    shake_hands(client, server, HOST)


def test_the_check_is_strict(tmp_path: Path) -> None:
    """A certificate without an authority key identifier is what it turns away."""
    bare = (
        x509.CertificateBuilder(WEB.certificate.subject, x509.Name([]), KEY.public_key(), 4)
        .not_valid_before(VALIDITY.not_before)
        .not_valid_after(VALIDITY.not_after)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=True)
        .sign(KEY, WEB.certificate.signature_hash_algorithm)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    present(server, bare, tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError, match="Authority Key Identifier"):
        shake_hands(strict(ssl.PROTOCOL_TLS_CLIENT, WEB), server, HOST)
