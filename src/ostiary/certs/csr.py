"""What a certificate signing request must prove, and what of it is ignored.

Only the public key is taken from a request. The name in the certificate comes from the join token
or the peer's present certificate; a request that asks for another name is refused, so that a
mistake is told rather than silently renamed. Fed by `proxy` (asks) and `authority`
(judges); feeds `issue`.
"""

from __future__ import annotations

from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ostiary.errors import Refused

_LARGEST: Final = 16 << 10
"""Bytes of PEM; ours have about 600."""
_CURVES: Final = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)


def build_csr(key: ec.EllipticCurvePrivateKey, spiffe_id: str) -> bytes:
    """A PEM request by which the holder of `key` asks for `spiffe_id`."""
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(spiffe_id)])
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    signed = request.add_extension(names, critical=True).sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


def check_csr(pem: bytes, spiffe_id: str) -> ec.EllipticCurvePublicKey:
    """The public key of a request whose sender holds the private key; raises `Refused` else."""
    request = _parse(pem)
    key = request.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, _CURVES):
        raise Refused(
            "csr-weak-key",
            "the request's key is not an elliptic-curve key of 256 bits or more",
            "make the key on P-256, P-384 or P-521",
        )
    _check_signature(request)
    _check_name(request, spiffe_id)
    return key


def _parse(pem: bytes) -> x509.CertificateSigningRequest:
    if len(pem) > _LARGEST:
        raise Refused("csr-broken", f"a signing request of {len(pem)} bytes is not read")
    try:
        return x509.load_pem_x509_csr(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Refused("csr-broken", f"the signing request cannot be read: {error}") from error


def _check_signature(request: x509.CertificateSigningRequest) -> None:
    try:
        sound = request.is_signature_valid
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        sound = False
    if not sound:
        raise Refused(
            "csr-unproven",
            "the request is not signed by the key it names",
            "only the holder of the private key may ask for a certificate",
        )


def _check_name(request: x509.CertificateSigningRequest, spiffe_id: str) -> None:
    try:
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        asked = [getattr(name, "value", name) for name in names]
    except x509.ExtensionNotFound:
        return
    except ValueError as error:
        raise Refused("csr-broken", f"the request's names cannot be read: {error}") from error
    if asked != [spiffe_id]:
        raise Refused(
            "csr-wrong-name",
            f"the request asks for {', '.join(map(str, asked))}, its sender is {spiffe_id}",
            "ask for that id, or for none",
        )
