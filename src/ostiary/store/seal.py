"""Seal what must not be read from a copied database: AES-256-GCM under the state key."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ostiary.errors import Refused

_NONCE: Final = 12
_KEY: Final = 32


class Seal:
    """`open(seal(x, name), name) == x`; another name or key raises `Refused`."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    @classmethod
    def in_folder(cls, state: Path) -> Seal:
        """The seal whose key is `state/state.key` (0600), made on first use."""
        file = state / "state.key"
        if not file.exists():
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as out:
                out.write(os.urandom(_KEY))
        key = file.read_bytes()
        if len(key) != _KEY:
            raise Refused(
                "state-key-broken",
                f"{file} does not hold a key of {_KEY} bytes",
                "put back the key this state was sealed with; without it the state is lost",
            )
        return cls(key)

    def seal(self, secret: bytes, name: str) -> bytes:
        """`secret`, readable only with this key and under this `name`."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, secret, name.encode())

    def open(self, sealed: bytes, name: str) -> bytes:
        """What was sealed under `name`."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], name.encode())
        except (InvalidTag, ValueError) as error:
            raise Refused(
                "seal-broken",
                f"the sealed value {name!r} cannot be opened with this state key",
                "state.key and the database belong together: restore both from one backup",
            ) from error
