"""The refresh handle: a browser's right to a new token, rotated each time it is used.

A handle is a family (128 bits, the same for the whole life of a session on one host) and a secret
(256 bits, new at each rotation). Only hashes are kept. The previous secret is good for a short
overlap, because parallel requests carry it; it is then answered with the very successor that the
first request got, so that an answer lost on the way loses no session. Anything older is a stolen
copy: it ends the session (RFC 9700, section 4.14.2).

The successor is kept under a one-time pad made from the previous secret, which the store does not
have: a copied database opens nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass, field, replace
from typing import Final

from ostiary.identity.model import Account, Lifetimes, Session, why_ended

OVERLAP: Final = 30.0
"""Seconds during which the previous handle is still good."""
FAMILY_BYTES: Final = 16
SECRET_BYTES: Final = 32
_TEXT: Final = 64
"""Characters of a handle in base64url."""


@dataclass(frozen=True, slots=True)
class PlainHandle:
    """A handle as the browser holds it."""

    family: bytes
    secret: bytes

    def __str__(self) -> str:
        return base64.urlsafe_b64encode(self.family + self.secret).decode()

    def __repr__(self) -> str:
        return "PlainHandle([redacted])"


@dataclass(frozen=True, slots=True)
class RefreshHandle:
    """A handle as the store holds it."""

    family: str
    sid: str
    host: str
    current: str
    used: float
    previous: str | None = None
    replaced: float | None = None
    """When `previous` was rotated out."""
    successor: bytes = b""
    """The current secret, readable with the previous one only."""


@dataclass(frozen=True, slots=True)
class Refresh:
    """A browser on `host` presents `handle` together with a token of session `sid`."""

    handle: str = field(repr=False)
    sid: str
    host: str
    lifetimes: Lifetimes
    now: float
    secret: bytes = field(repr=False)
    """32 fresh random bytes: the next secret."""
    address: str = ""
    """Where the browser is, as the gateway found it; empty when nobody knows."""


@dataclass(frozen=True, slots=True)
class Rotate:
    """Granted: `kept` replaces the stored handle, `plain` goes to the browser."""

    kept: RefreshHandle
    plain: PlainHandle


@dataclass(frozen=True, slots=True)
class Repeat:
    """Granted within the overlap: nothing changes, the browser gets the same successor again."""

    plain: PlainHandle


@dataclass(frozen=True, slots=True)
class Ended:
    """Refused. With `kill` the whole session is marked dead for `reason`."""

    reason: str
    kill: bool = False


def read_handle(text: str) -> PlainHandle | None:
    """The handle written as `text`; None when it cannot be one."""
    if len(text) != _TEXT or not text.isascii():
        return None
    try:
        raw = base64.b64decode(text, altchars=b"-_", validate=True)
    except binascii.Error:
        return None
    return PlainHandle(raw[:FAMILY_BYTES], raw[FAMILY_BYTES:])


def digest(secret: bytes) -> str:
    """What the store keeps of a secret: plain SHA-256, for the secrets are random."""
    return hashlib.sha256(secret).hexdigest()


def first_handle(plain: PlainHandle, sid: str, host: str, now: float) -> RefreshHandle:
    """The stored form of a new family of `sid` on `host`."""
    return RefreshHandle(digest(plain.family), sid, host, digest(plain.secret), now)


def judge(
    asked: Refresh,
    presented: PlainHandle,
    stored: RefreshHandle,
    person: tuple[Session, Account],
) -> Rotate | Repeat | Ended:
    """What becomes of `asked`, whose handle was read as `presented` and found as `stored`."""
    ended = why_ended(*person, asked.lifetimes, asked.now)
    if ended is not None:
        return Ended(ended, kill=True)
    if stored.host != asked.host:
        return Ended("handle-of-another-host", kill=True)
    if hmac.compare_digest(digest(presented.secret), stored.current):
        if asked.now - stored.used > asked.lifetimes.idle:
            return Ended("idle-lifetime")
        return _rotate(presented, stored, asked.now, asked.secret)
    if _overlaps(presented, stored, asked.now):
        return Repeat(PlainHandle(presented.family, _pad(presented.secret, stored.successor)))
    return Ended("handle-reused", kill=True)


def _overlaps(presented: PlainHandle, stored: RefreshHandle, now: float) -> bool:
    if stored.previous is None or stored.replaced is None or now - stored.replaced > OVERLAP:
        return False
    return hmac.compare_digest(digest(presented.secret), stored.previous)


def _rotate(presented: PlainHandle, stored: RefreshHandle, now: float, secret: bytes) -> Rotate:
    kept = replace(
        stored,
        current=digest(secret),
        previous=stored.current,
        replaced=now,
        used=now,
        successor=_pad(presented.secret, secret),
    )
    return Rotate(kept, PlainHandle(presented.family, secret))


def _pad(secret: bytes, text: bytes) -> bytes:
    pad = hashlib.sha256(b"ostiary successor\0" + secret).digest()
    return bytes(left ^ right for left, right in zip(pad, text, strict=True))
