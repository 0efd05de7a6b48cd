"""The stamp on a snapshot: whose it is, its number, how long it holds, and what it covers.

The authority signs it with the workload root's key; a proxy's agent, which pins that root, checks
it before it serves the snapshot without a control plane. Fed by `authority`; feeds `proxy`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from ostiary.errors import Refused

LIFETIME: Final = timedelta(hours=24)
"""A snapshot older than this is not served: what it allows may have been withdrawn."""
_CONTEXT: Final = b"ostiary snapshot stamp 1\n"
"""Begins every signed message, so that it can never be read as a certificate (DER)."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What is signed."""

    proxy: str
    """The SPIFFE id of the only proxy that may serve it."""
    number: int
    """Rises by one with each change; a lower one is a replay."""
    valid_until: float
    """Seconds since 1970, UTC."""
    digest: str
    """SHA-256 of the archive, hexadecimal."""

    def message(self) -> bytes:
        """The bytes the signature covers."""
        return _CONTEXT + json.dumps(asdict(self), sort_keys=True).encode()


def check_signature(stamp: Stamp, signature: bytes, bundle: bytes) -> None:
    """Returns when some root in `bundle` (PEM) signed `stamp`; raises `Refused` else."""
    for root in x509.load_pem_x509_certificates(bundle):
        key = root.public_key()
        if isinstance(key, ec.EllipticCurvePublicKey) and _verifies(key, signature, stamp):
            return
    raise Refused(
        "snapshot-unsigned",
        "the snapshot is not signed by our authority",
        "it is ignored; the proxy gets a new one when the control plane is back",
    )


def check_use(stamp: Stamp, proxy: str, digest: str, now: float) -> None:
    """Returns when `proxy` may serve the archive with this `digest` at `now`; `Refused` else."""
    if stamp.proxy != proxy:
        raise Refused("snapshot-foreign", f"the snapshot was made for {stamp.proxy}, not {proxy}")
    if stamp.digest != digest:
        raise Refused("snapshot-broken", "the snapshot's content is not what was signed")
    if now > stamp.valid_until:
        raise Refused(
            "snapshot-expired",
            "the snapshot is older than 24 hours",
            "it is not served: start the control plane",
        )


def check_number(stamp: Stamp, last: int) -> None:
    """Returns when `stamp` is not older than the last one accepted; raises `Refused` else."""
    if stamp.number < last:
        raise Refused(
            "snapshot-replayed",
            f"snapshot number {stamp.number} is lower than {last}, which was accepted before",
            "if the control plane's store was put back from a backup, empty the proxy's folder",
        )


def _verifies(key: ec.EllipticCurvePublicKey, signature: bytes, stamp: Stamp) -> bool:
    try:
        key.verify(signature, stamp.message(), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True
