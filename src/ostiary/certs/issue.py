"""The three kinds of certificate we sign, and everything that is in them.

- root: of the workload authority (its URIs and host names lie in its trust domain, RFC 5280
  4.2.1.10, which Envoy and gRPC enforce) or of the web authority (what browsers are told to trust);
- SVID: exactly one URI, client and server (SPIFFE X.509-SVID 4);
- serving: host names and addresses, server only.

Fed by `authority` with keys, serial numbers and validities; feeds Envoy, gRPC and browsers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ostiary.certs.validity import Validity

_CLIENT_AND_SERVER: Final = (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH)
_SERVER: Final = (ExtendedKeyUsageOID.SERVER_AUTH,)


@dataclass(frozen=True, slots=True)
class Issuer:
    """A root certificate with its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Request:
    """Whom a leaf is for: the key it certifies, its serial number (RFC 5280: > 0, <= 20 bytes)."""

    key: ec.EllipticCurvePublicKey
    serial: int
    validity: Validity


def root(
    key: ec.EllipticCurvePrivateKey, name: str, serial: int, validity: Validity
) -> x509.Certificate:
    """A root that signs leaves only (path length 0)."""
    return _root(key, name, serial, validity).sign(key, hashes.SHA256())


def workload_root(
    key: ec.EllipticCurvePrivateKey, trust_domain: str, serial: int, validity: Validity
) -> x509.Certificate:
    """A root whose leaves are void outside `trust_domain`, whoever holds its key."""
    allowed = [x509.UniformResourceIdentifier(trust_domain), x509.DNSName(trust_domain)]
    builder = _root(key, f"Ostiary workloads of {trust_domain}", serial, validity)
    constraints = x509.NameConstraints(permitted_subtrees=allowed, excluded_subtrees=None)
    return builder.add_extension(constraints, critical=True).sign(key, hashes.SHA256())


def svid(
    issuer: Issuer, request: Request, spiffe_id: str, host: str | None = None
) -> x509.Certificate:
    """The certificate of one workload.

    `host` is given for our own servers only, whose clients (gRPC) compare host names. The caller
    has checked `spiffe_id`.
    """
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(spiffe_id)]
    names += [x509.DNSName(host)] if host else []
    return _leaf(issuer, request, names, _CLIENT_AND_SERVER)


def serving(issuer: Issuer, request: Request, names: Sequence[str]) -> x509.Certificate:
    """A certificate for host names (`*.x.example` allowed) and IP addresses; at least one."""
    return _leaf(issuer, request, [_host(name) for name in names], _SERVER)


def pem(certificate: x509.Certificate) -> bytes:
    """The certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The private key as unencrypted PKCS#8 PEM: for sealed stores and 0600 files only."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _host(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _root(
    key: ec.EllipticCurvePrivateKey, name: str, serial: int, validity: Validity
) -> x509.CertificateBuilder:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    return (
        _builder(Request(key.public_key(), serial, validity), subject, subject)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
    )


def _leaf(
    issuer: Issuer,
    request: Request,
    names: Sequence[x509.GeneralName],
    purposes: Sequence[x509.ObjectIdentifier],
) -> x509.Certificate:
    identifier = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier.value)
    return (
        # The subject is empty, so the names must be critical (RFC 5280 4.2.1.6).
        _builder(request, x509.Name([]), issuer.certificate.subject)
        .add_extension(x509.SubjectAlternativeName(names), critical=True)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(authority, critical=False)
        .sign(issuer.key, hashes.SHA256())
    )


def _builder(request: Request, subject: x509.Name, issuer: x509.Name) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(request.key)
        .serial_number(request.serial)
        .not_valid_before(request.validity.not_before)
        .not_valid_after(request.validity.not_after)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(request.key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
