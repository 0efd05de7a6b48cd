"""The keys by which guards sign `x-ostiary-trust`, as the JWK set (RFC 7517) applications fetch.

Each guard makes its key when its Envoy starts and tells the public half over its stream. Pure. Fed
by the control plane, which keeps the text in the store; `login` serves it.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec

GUARD_KEYS: Final = "guard_keys"
"""The name under which the control plane puts them into the store, and `login` finds them."""
KEPT: Final = 86_400.0
"""Seconds for which a key stays after its guard was last connected: a header counts for 60."""
_GRAIN: Final = 3600.0
"""Seconds: how exactly it is kept when that was, so that the text seldom changes."""
_KID: Final = 11
"""Characters of a key's id, as the guard makes it."""
_HALF: Final = 32
"""Bytes of a coordinate on P-256."""


def renewed(text: str | None, points: Iterable[bytes], now: float) -> str:
    """`text` with the keys of the guards that are connected now, and without those long gone.

    What is no point on P-256 is left out: whoever said it cannot have signed anything.
    """
    known = {one["jwk"]["kid"]: one for one in _read(text)}
    seen = now - now % _GRAIN
    for jwk in filter(None, map(_jwk, points)):
        known[jwk["kid"]] = {"jwk": jwk, "seen": seen}
    kept = [one for _, one in sorted(known.items()) if one["seen"] > now - KEPT]
    return json.dumps(kept, sort_keys=True, separators=(",", ":"))


def jwk_set(text: str | None) -> str:
    """The JWK set of what `renewed` made; an empty one of nothing."""
    return json.dumps({"keys": [one["jwk"] for one in _read(text)]}, separators=(",", ":"))


def _read(text: str | None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(text) if text else []
    return found


def _jwk(point: bytes) -> dict[str, str] | None:
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError:
        return None
    x, y = (_text(half) for half in (point[1 : 1 + _HALF], point[1 + _HALF :]))
    members = {"crv": "P-256", "kty": "EC", "x": x, "y": y}
    # RFC 7638: the members in this order, without a space.
    print_ = json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
    kid = _text(hashlib.sha256(print_).digest())[:_KID]
    return {**members, "kid": kid, "alg": "ES256", "use": "sig"}


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
