"""A certificate chain with its private key, as PEM: read it, and say what is wrong with it.

Fed by `authority` (files a person brings) and `proxy` (its own certificate); feeds both.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ostiary.certs.validity import Validity
from ostiary.errors import Refused

_RSA_BITS: Final = 2048


@dataclass(frozen=True, slots=True)
class Pair:
    """A leaf (first in `chain`) that belongs to `key`."""

    chain: bytes
    """PEM, leaf first."""
    key: bytes
    """PEM, unencrypted."""
    leaf: x509.Certificate

    @property
    def validity(self) -> Validity:
        """From when until when the leaf holds."""
        return Validity(self.leaf.not_valid_before_utc, self.leaf.not_valid_after_utc)

    @property
    def spiffe_id(self) -> str | None:
        """The one URI of the leaf; None when it has none or several (X.509-SVID 5.2)."""
        uris = _names(self.leaf, x509.UniformResourceIdentifier)
        return uris[0] if len(uris) == 1 else None

    def unnamed(self, hosts: Iterable[str]) -> list[str]:
        """Those of `hosts` (exact or `*.x`) for which a browser would refuse the leaf."""
        names = {name.lower() for name in _names(self.leaf, x509.DNSName)}
        return [host for host in hosts if host not in names and _wildcard(host) not in names]


def read_pair(chain: bytes, key: bytes) -> Pair:
    """The pair; raises `Refused` when it is broken, weak or does not belong together."""
    try:
        leaf = x509.load_pem_x509_certificates(chain)[0]
    except ValueError as error:
        raise Refused(
            "certificate-broken",
            f"the certificate cannot be read: {error}",
            "give PEM: the leaf first, then its intermediates",
        ) from error
    try:
        private = serialization.load_pem_private_key(key, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Refused(
            "certificate-key-broken",
            f"the private key cannot be read: {error}",
            "give an unencrypted PEM key",
        ) from error
    if private.public_key() != leaf.public_key():
        raise Refused(
            "certificate-key-mismatch",
            "the certificate and the private key do not belong together",
            "the certificate must be the first in its file, and made for this key",
        )
    _check_strength(private)
    return Pair(chain, key, leaf)


def check_validity(pair: Pair, now: datetime) -> Pair:
    """`pair`, when its leaf holds at `now`; raises `Refused` else."""
    validity = pair.validity
    if now > validity.not_after:
        raise Refused(
            "certificate-expired",
            f"the certificate expired at {validity.not_after:%Y-%m-%d %H:%M} UTC",
            "renew it; the file is read again when it changes",
        )
    if now < validity.not_before:
        raise Refused(
            "certificate-not-yet-valid",
            f"the certificate holds only from {validity.not_before:%Y-%m-%d %H:%M} UTC",
            "check the clock of this machine",
        )
    return pair


def _check_strength(key: object) -> None:
    curve = isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(
        key.curve, (ec.SECP256R1, ec.SECP384R1)
    )
    big = isinstance(key, rsa.RSAPrivateKey) and key.key_size >= _RSA_BITS
    if not (curve or big):
        raise Refused(
            "certificate-weak-key",
            "Envoy serves keys on P-256 or P-384, or RSA of 2048 bits or more; this is neither",
            "make a new key on P-256",
        )


def _names(
    leaf: x509.Certificate, kind: type[x509.DNSName | x509.UniformResourceIdentifier]
) -> list[str]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [name.value for name in names if isinstance(name, kind)]


def _wildcard(host: str) -> str:
    return "*." + host.partition(".")[2]
