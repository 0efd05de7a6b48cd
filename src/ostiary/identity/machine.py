"""What `login` hands over about a program's credential: claims and assertion (ES256, RFC 7519).

The guard remembers it beside the credential, whose digest it names: it counts for no other. Fed by
`login.machine`; feeds the guard.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from joserfc import jwt

from ostiary.identity.directory import Door
from ostiary.identity.tokens import ALGORITHM, ASSERTION_LIFETIME, SigningKey
from ostiary.wire import ASSERTION_CLAIM, ASSERTION_TYPE, MACHINE_AUDIENCE, MACHINE_TYPE

LIFETIME: Final = 300
"""Seconds for which the guard takes our word for a credential."""
UNMAPPED: Final = "single-factor"
"""The assurance of whoever proves nothing about how they signed in."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Whom a valid credential is about."""

    kind: str
    """`bearer`."""
    issuer: str
    """Who vouches, by name in the document."""
    user: str
    email: str
    groups: frozenset[str]
    """Of those that policies name."""
    scopes: tuple[str, ...]
    auth_time: int
    amr: tuple[str, ...]
    expires: int
    sha256: str
    """Of the credential, hexadecimal."""


def mint_machine(
    key: SigningKey, issuer: str, shown: Shown, door: Door, *, now: float, assertion_id: str
) -> str:
    """The hand-over for `shown` at `door`; `assertion_id` is fresh and random."""
    issued = int(now)
    who = {
        "iss": issuer,
        "iat": issued,
        "sub": shown.user,
        "email": shown.email,
        "host": door.host,
        "groups": sorted(shown.groups),
        "gv": door.sign_in.group_set,
        "scopes": list(shown.scopes),
    }
    assertion = _sign(
        key,
        ASSERTION_TYPE,
        {
            **who,
            "aud": list(door.place.audiences),
            "exp": issued + ASSERTION_LIFETIME,
            "jti": assertion_id,
        },
    )
    how = " ".join([shown.issuer, UNMAPPED, str(shown.auth_time), *shown.amr])
    claims = {
        **who,
        "how": how,
        "kind": shown.kind,
        "credential": shown.sha256,
        "aud": MACHINE_AUDIENCE,
        "exp": min(issued + LIFETIME, shown.expires),
        ASSERTION_CLAIM: assertion,
    }
    return _sign(key, MACHINE_TYPE, claims)


def _sign(key: SigningKey, typ: str, claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": ALGORITHM, "typ": typ, "kid": key.kid}, claims, key.key)
