"""Certificates for the xds tests: an authority, and leaves for names and SPIFFE ids."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ostiary.certs import issue
from ostiary.certs.validity import SVID_LIFETIME, starting


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, PEM."""

    certificate: bytes
    key: bytes


class Authority:
    """Signs what a test asks for, wrong numbers of ids included."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        validity = starting(dt.datetime.now(dt.UTC), SVID_LIFETIME)
        self._own = issue.root(self._key, "test authority", 1, validity)
        self.pem = issue.pem(self._own)

    def issue(self, *uris: str, name: str = "leaf") -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.DNSName("localhost")]
        names += [x509.UniformResourceIdentifier(uri) for uri in uris]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        return Pair(issue.pem(self._leaf(key.public_key(), subject, names)), issue.key_pem(key))

    def _leaf(
        self, key: ec.EllipticCurvePublicKey, subject: x509.Name, names: list[x509.GeneralName]
    ) -> x509.Certificate:
        own = self._own
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(own.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(own.not_valid_before_utc)
            .not_valid_after(own.not_valid_after_utc)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(authority, critical=False)
            .sign(self._key, hashes.SHA256())
        )
