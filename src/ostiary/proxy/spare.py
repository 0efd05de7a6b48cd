"""The last good snapshot on disk: what Envoy is given while the control plane is away.

Signed, numbered and dated by the authority; it holds no secret. Secrets lie beside it, one 0600
file each. Fed by the control plane every few seconds; feeds the relay when it falls back.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final

import structlog

from ostiary.certs.enrolment import SecretUpdate, SnapshotAnswer, SnapshotRequest
from ostiary.certs.stamp import Stamp, check_number, check_signature, check_use
from ostiary.compiler.resources import SECRET, Resource
from ostiary.errors import Refused
from ostiary.proxy.folder import Folder

_STAMP: Final = "spare/stamp.json"
_WORTH: Final = 600.0
"""Seconds of validity that a rewritten stamp must add."""
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Spare:
    """A snapshot that may be served now."""

    proxy: str
    number: int
    archive: bytes
    """As `app`'s provider made it."""
    secrets: Mapping[str, Resource]
    """The serving secrets by name; they were never part of the archive."""


class SpareStore:
    """The snapshot of one proxy in its folder."""

    def __init__(self, folder: Folder, spiffe_id: str) -> None:
        self._folder = folder
        self._proxy = spiffe_id
        self._signed = _read_stamp(folder)
        self._digest = ""
        if self._signed and _sha256(self._archive()) == self._signed[0].digest:
            self._digest = self._signed[0].digest
        self._secrets = _read_secrets(folder)

    @property
    def held(self) -> bool:
        """Whether there is a snapshot on disk."""
        return bool(self._digest)

    def request(self) -> SnapshotRequest:
        """What we have, so that only the rest is sent."""
        return SnapshotRequest(
            self._digest, {name: secret.version for name, secret in self._secrets.items()}
        )

    def accept(self, answer: SnapshotAnswer, bundle: bytes) -> None:
        """The answer is on disk, whole; raises `Refused` and keeps the old one when it is unfit."""
        stamp = answer.stamp
        check_signature(stamp, answer.signature, bundle)
        check_number(stamp, self._floor(bundle))
        new = stamp.digest != self._digest
        check_use(stamp, self._proxy, _sha256(answer.archive) if new else self._digest, time.time())
        if new:
            self._folder.write(_archive_file(stamp.digest), answer.archive)
        if new or self._signed is None or _much_later(stamp, self._signed[0]):
            self._sign(stamp, answer.signature)
        self._accept_secrets(answer.secrets)

    def load(self, bundle: bytes) -> Spare | None:
        """The snapshot on disk; None when there is none; raises `Refused` when it is unfit."""
        if self._signed is None:
            return None
        stamp, signature = self._signed
        check_signature(stamp, signature, bundle)
        archive = self._archive()
        check_use(stamp, self._proxy, _sha256(archive), time.time())
        return Spare(self._proxy, stamp.number, archive, dict(self._secrets))

    def _archive(self) -> bytes:
        return (self._signed and self._folder.read(_archive_file(self._signed[0].digest))) or b""

    def _floor(self, bundle: bytes) -> int:
        """The lowest number to accept; a stamp of an authority that is gone binds nobody."""
        if self._signed is None:
            return 0
        try:
            check_signature(*self._signed, bundle)
        except Refused:
            return 0
        return self._signed[0].number

    def _sign(self, stamp: Stamp, signature: bytes) -> None:
        """The archive of this stamp is the one that counts from now on; another one is removed."""
        signed = {"stamp": asdict(stamp), "signature": base64.b64encode(signature).decode()}
        self._folder.write(_STAMP, json.dumps(signed).encode())
        old, self._signed, self._digest = self._signed, (stamp, signature), stamp.digest
        if old is not None and old[0].digest != stamp.digest:
            (self._folder.path / _archive_file(old[0].digest)).unlink(missing_ok=True)

    def _accept_secrets(self, updates: Mapping[str, SecretUpdate]) -> None:
        for name in self._secrets.keys() - updates.keys():
            (self._folder.path / _secret_file(name)).unlink(missing_ok=True)
            del self._secrets[name]
        for name, update in updates.items():
            if update.body:
                self._secrets[name] = Resource(SECRET, name, update.version, update.body)
                _write_secret(self._folder, name, update)


def _archive_file(digest: str) -> str:
    return f"spare/{digest[:32]}.archive"


def _much_later(stamp: Stamp, other: Stamp) -> bool:
    """Whether it is worth a write: the answer comes every few seconds, mostly unchanged."""
    return stamp.valid_until - other.valid_until > _WORTH


def _read_stamp(folder: Folder) -> tuple[Stamp, bytes] | None:
    raw = folder.read(_STAMP)
    if raw is None:
        return None
    try:
        content = json.loads(raw)
        return Stamp(**content["stamp"]), base64.b64decode(content["signature"])
    except (ValueError, KeyError, TypeError) as error:
        _log.warning("stamp on disk not used", error=str(error))
        return None


def _secret_file(name: str) -> str:
    return f"secrets/{_sha256(name.encode())[:32]}.json"


def _write_secret(folder: Folder, name: str, update: SecretUpdate) -> None:
    body = base64.b64encode(update.body).decode()
    content = {"name": name, "version": update.version, "body": body}
    folder.write(_secret_file(name), json.dumps(content).encode())


def _read_secrets(folder: Folder) -> dict[str, Resource]:
    found: dict[str, Resource] = {}
    for file in sorted((folder.path / "secrets").glob("*.json")):
        try:
            content = json.loads(file.read_bytes())
            name, version = str(content["name"]), str(content["version"])
            found[name] = Resource(SECRET, name, version, base64.b64decode(content["body"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            _log.warning("secret on disk not used", file=file.name, error=str(error))
    return found


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
