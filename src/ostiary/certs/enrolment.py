"""The words of enrolment: what a proxy's agent and the authority say to each other.

Three gRPC calls whose messages are JSON; the archive of a snapshot follows its JSON line as raw
bytes. Both ends read them here. Fed by and feeds `authority` and `proxy`.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from ostiary.certs.stamp import Stamp
from ostiary.errors import Refused

SERVICE: Final = "ostiary.v1.Enrolment"
JOIN: Final = f"/{SERVICE}/Join"
"""On the open port (TLS, no client certificate): a join token buys the first certificate."""
RENEW: Final = f"/{SERVICE}/Renew"
"""On the mutual TLS port: the peer's own id, again."""
SNAPSHOT: Final = f"/{SERVICE}/Snapshot"
"""On the mutual TLS port: what the peer may serve when the control plane is away."""


@dataclass(frozen=True, slots=True)
class CertificateRequest:
    """Join (with a token) or Renew (without)."""

    csr: bytes
    token: str = ""

    def to_bytes(self) -> bytes:
        """As sent."""
        return json.dumps({"csr": self.csr.decode(), "token": self.token}).encode()

    @classmethod
    def from_bytes(cls, raw: bytes) -> CertificateRequest:
        """As received; `Refused` when it is something else."""
        body = _object(raw)
        return cls(_text(body, "csr").encode(), _text(body, "token"))


@dataclass(frozen=True, slots=True)
class CertificateAnswer:
    """A certificate and the roots to trust from now on, PEM."""

    certificate: bytes
    bundle: bytes

    def to_bytes(self) -> bytes:
        """As sent."""
        body = {"certificate": self.certificate.decode(), "bundle": self.bundle.decode()}
        return json.dumps(body).encode()

    @classmethod
    def from_bytes(cls, raw: bytes) -> CertificateAnswer:
        """As received; `Refused` when it is something else."""
        body = _object(raw)
        return cls(_text(body, "certificate").encode(), _text(body, "bundle").encode())


@dataclass(frozen=True, slots=True)
class SnapshotRequest:
    """What the agent has already: the archive's digest, and secret names with their versions."""

    digest: str
    secrets: Mapping[str, str]

    def to_bytes(self) -> bytes:
        """As sent."""
        return json.dumps({"digest": self.digest, "secrets": dict(self.secrets)}).encode()

    @classmethod
    def from_bytes(cls, raw: bytes) -> SnapshotRequest:
        """As received; `Refused` when it is something else."""
        body = _object(raw)
        secrets = body.get("secrets")
        if not isinstance(secrets, dict):
            raise _malformed("secrets")
        return cls(_text(body, "digest"), {str(k): str(v) for k, v in secrets.items()})


@dataclass(frozen=True, slots=True)
class SecretUpdate:
    """One SDS secret: `body` (serialised, empty when the agent has this `version` already)."""

    version: str
    body: bytes


@dataclass(frozen=True, slots=True)
class SnapshotAnswer:
    """The stamp, every secret the proxy may have, and the archive unless its digest was named."""

    stamp: Stamp
    signature: bytes
    secrets: Mapping[str, SecretUpdate]
    archive: bytes

    def to_bytes(self) -> bytes:
        """As sent."""
        body = {
            "stamp": asdict(self.stamp),
            "signature": _encode(self.signature),
            "secrets": {
                name: [secret.version, _encode(secret.body)]
                for name, secret in self.secrets.items()
            },
        }
        return json.dumps(body).encode() + b"\n" + self.archive

    @classmethod
    def from_bytes(cls, raw: bytes) -> SnapshotAnswer:
        """As received; `Refused` when it is something else. The signature is not checked here."""
        line, _, archive = raw.partition(b"\n")
        body = _object(line)
        try:
            secrets = {
                str(name): SecretUpdate(str(version), base64.b64decode(content))
                for name, (version, content) in body["secrets"].items()
            }
            stamp = Stamp(**body["stamp"])
            return cls(stamp, base64.b64decode(body["signature"]), secrets, archive)
        except (KeyError, TypeError, ValueError, AttributeError, binascii.Error) as error:
            raise _malformed(str(error)) from error


def _object(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise _malformed(str(error)) from error
    if not isinstance(body, dict):
        raise _malformed("no object")
    return body


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise _malformed(name)
    return value


def _encode(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _malformed(what: str) -> Refused:
    return Refused(
        "enrolment-malformed",
        f"the enrolment message cannot be read: {what}",
        "the proxy and the control plane may be of different versions",
    )
