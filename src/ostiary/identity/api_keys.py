"""API keys: how one is written, and what is known of it. The key itself is shown once, never kept.

256 random bits need no slow hash: the SHA-256 is all that anybody stores. The guard reads keys the
same way (`guard/credentials/src/api_key.rs`). Fed by `store.api_keys`; feeds `login` and the API.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from typing import Final

KEY_PREFIX: Final = "ostk_"
SECRET_BITS: Final = 256
OF_KEYS: Final = "key"
"""Before the `:` in the name of a service account, where users of issuers have their issuer."""
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET: Final = 43
"""Letters and digits that hold 256 bits."""
_CHECKSUM: Final = 6
_ID: Final = 12
"""Hexadecimal digits of the SHA-256 by which people name a key."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of one key. Times are seconds since 1970; `expires` 0 means never."""

    sha256: str
    name: str
    owner: str
    """The account whose key it is; empty for a service account, which is called `key:<name>`."""
    groups: tuple[str, ...]
    """Of a service account; an owner's key has the owner's groups."""
    scopes: tuple[str, ...]
    created: float
    expires: float
    revoked: float | None = None
    verdict: str = ""
    """The id of the verdict that tells the guards of it."""

    @property
    def id(self) -> str:
        """By what people name it: the beginning of its SHA-256."""
        return self.sha256[:_ID]

    @property
    def user(self) -> str:
        """Who comes in with it."""
        return self.owner or f"{OF_KEYS}:{self.name}"

    def holds(self, now: float) -> bool:
        """Whether it is neither over nor revoked."""
        return self.revoked is None and (not self.expires or now < self.expires)


def write_key(secret: int) -> str:
    """The key of `secret`, a random number of `SECRET_BITS` bits."""
    body = KEY_PREFIX + _digits(secret, _SECRET)
    return body + _digits(zlib.crc32(body.encode()), _CHECKSUM)


def digest(key: str) -> str:
    """The SHA-256 by which a key is known, hexadecimal."""
    return hashlib.sha256(key.encode("latin-1", "replace")).hexdigest()


def _digits(number: int, count: int) -> str:
    made = ""
    for _ in range(count):
        number, rest = divmod(number, len(_DIGITS))
        made = _DIGITS[rest] + made
    return made
