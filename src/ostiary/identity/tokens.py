"""The tokens we sign: session, hand-over and identity assertion (ES256, RFC 7519 and 8725).

Each has its own `typ` and `aud`, so that none can stand in for another. Fed by `store` (keys,
sessions) and the directory; feeds `login`, and through the JWK set every Envoy.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from joserfc.jws import extract_compact

from ostiary.errors import Refused
from ostiary.identity.directory import Door
from ostiary.identity.model import Account, Session
from ostiary.wire import (
    ASSERTION_CLAIM,
    ASSERTION_TYPE,
    HANDOVER_AUDIENCE,
    HANDOVER_TYPE,
    SESSION_AUDIENCE,
    SESSION_TYPE,
)

ALGORITHM: Final = "ES256"
HANDOVER_LIFETIME: Final = 30
ASSERTION_LIFETIME: Final = 300
TOKEN_LIMIT: Final = 3800
"""Characters of a session token that every browser keeps as a cookie."""
_KID_LENGTH: Final = 11
"""66 bits tell a handful of keys apart, and a session cookie says the id twice."""
METHODS: Final = {"password": ("pwd",)}
"""Assurance to `amr` (RFC 8176)."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private P-256 key and its id: the beginning of its RFC 7638 thumbprint."""

    kid: str
    key: ECKey = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a token is about, and where it holds."""

    session: Session
    account: Account
    door: Door


@dataclass(frozen=True, slots=True)
class Minted:
    """What one refresh or sign-in gives: the cookie's token, the hand-over and the cookie's age."""

    token: str = field(repr=False)
    handover: str = field(repr=False)
    max_age: int
    """Seconds until the session's absolute end."""


def signing_key(pem: bytes) -> SigningKey:
    """The key in `pem` (PKCS 8)."""
    key = ECKey.import_key(pem)
    return SigningKey(key.thumbprint()[:_KID_LENGTH], key)


def jwks(keys: Iterable[SigningKey]) -> str:
    """The JWK set of their public halves, as canonical JSON ordered by key id."""
    rows = [
        {**one.key.as_dict(private=False), "kid": one.kid, "alg": ALGORITHM, "use": "sig"}
        for one in sorted(keys, key=lambda one: one.kid)
    ]
    return json.dumps({"keys": rows}, sort_keys=True, separators=(",", ":"))


def mint(key: SigningKey, issuer: str, subject: Subject, now: float, assertion_id: str) -> Minted:
    """All three tokens of `subject`; `assertion_id` is fresh and random, for whoever gets it.

    The cookie is kept short: every request carries it, and each byte costs the proxy time.
    """
    end = subject.session.created + subject.door.sign_in.lifetimes.absolute
    # Never before the sign-in that it tells of: a mini gateway compares that with a step-up.
    issued = max(int(now), int(subject.session.created))
    who = _who(issuer, subject, issued)
    assertion = _sign(
        key,
        ASSERTION_TYPE,
        {
            **who,
            "aud": list(subject.door.place.audiences),
            "exp": issued + ASSERTION_LIFETIME,
            "jti": assertion_id,
        },
    )
    full = {**who, "how": _how(subject), ASSERTION_CLAIM: assertion}
    expires = min(issued + subject.door.sign_in.lifetimes.token, int(end))
    token = _sign(key, SESSION_TYPE, {**full, "aud": SESSION_AUDIENCE, "exp": expires})
    handover = _sign(
        key,
        HANDOVER_TYPE,
        {**full, "aud": HANDOVER_AUDIENCE, "exp": issued + HANDOVER_LIFETIME},
    )
    if len(token) > TOKEN_LIMIT:
        raise Refused(
            "token-too-large",
            "this account is in more groups than a token can carry",
            "name fewer of its groups in policies, or take the account out of some",
        )
    return Minted(token, handover, max(0, int(end - now)))


def groups_named(account: Account, named: frozenset[str]) -> list[str]:
    """The account's groups that some policy names: a token carries no other."""
    return sorted(named.intersection(account.groups))


def verified(token: str, keys: Sequence[SigningKey], issuer: str) -> dict[str, Any] | None:
    """The claims of a session token that we signed, expired or not; None for anything else."""
    try:
        kid = extract_compact(token.encode()).headers().get("kid")
        key = next(one.key for one in keys if one.kid == kid)
        decoded = jwt.decode(token, key, algorithms=[ALGORITHM])
    except (JoseError, StopIteration, ValueError):
        return None
    claims: dict[str, Any] = decoded.claims
    ours = claims.get("iss") == issuer and claims.get("aud") == SESSION_AUDIENCE
    return claims if ours and decoded.header.get("typ") == SESSION_TYPE else None


def _who(issuer: str, subject: Subject, issued: int) -> dict[str, Any]:
    account = subject.account
    return {
        "iss": issuer,
        "iat": issued,
        "sid": subject.session.sid,
        "sub": account.name,
        "email": account.email,
        "host": subject.door.host,
        "groups": groups_named(account, subject.door.sign_in.group_names),
        "gv": subject.door.sign_in.group_set,
    }


def _how(subject: Subject) -> str:
    """Provider, assurance, `auth_time` and each `amr`, a blank between them.

    One claim, for no rule reads them, and Envoy copies every claim at every request.
    """
    session = subject.session
    methods = METHODS.get(session.assurance, ())
    return " ".join([session.provider, session.assurance, str(int(session.created)), *methods])


def _sign(key: SigningKey, typ: str, claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": ALGORITHM, "typ": typ, "kid": key.kid}, claims, key.key)
