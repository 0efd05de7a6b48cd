"""The three tokens, the keys' public halves, and who a token is never for."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jwt
from joserfc.jwk import KeySet

from ostiary.errors import Refused
from ostiary.identity.directory import Door, Place, SignInHost
from ostiary.identity.model import Account, Lifetimes, Session
from ostiary.identity.tokens import SigningKey, Subject, jwks, mint, signing_key, verified

SIGN_IN = SignInHost(
    "login.test",
    "https://login.test",
    Lifetimes(token=60, idle=600, absolute=3600),
    frozenset({"a", "b"}),
    "gv",
    ("local",),
)
SUBJECT = Subject(
    Session("sid", "ada", "local", "password", created=1000.0, last_used=1000.0),
    Account("ada", "ada@test", ("c", "b"), created=0.0),
    Door("notes.test", Place("notes.test", 443, "login.test", ("spiffe://x",)), SIGN_IN),
)
ID = "one"


def fresh() -> SigningKey:
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    return signing_key(pem)


KEY = fresh()


def test_each_token_has_its_own_type_and_audience() -> None:
    minted = mint(KEY, "ostiary", SUBJECT, 1100.7, ID)
    session, handover = (jwt.decode(text, KEY.key) for text in (minted.token, minted.handover))
    inner = jwt.decode(session.claims["assertion"], KEY.key)
    assert [one.header["typ"] for one in (session, handover, inner)] == [
        "ostiary-session+jwt",
        "ostiary-handover+jwt",
        "ostiary-assertion+jwt",
    ]
    assert [one.claims["aud"] for one in (session, handover, inner)] == [
        "ostiary:session",
        "ostiary:handover",
        ["spiffe://x"],
    ]
    assert [one.claims["exp"] - 1100 for one in (session, handover, inner)] == [60, 30, 300]
    assert inner.claims["jti"] == ID
    assert {one.header["kid"] for one in (session, handover, inner)} == {KEY.kid}
    assert session.claims["groups"] == inner.claims["groups"] == ["b"]
    assert session.claims["how"] == "local password 1000 pwd"


def test_no_token_is_older_than_the_sign_in_it_tells_of() -> None:
    """A sign-in that answers a step-up of the same second counts from the next one on."""
    subject = replace(SUBJECT, session=replace(SUBJECT.session, created=1101.0))
    minted = mint(KEY, "ostiary", subject, 1100.7, ID)
    session = jwt.decode(minted.token, KEY.key)
    inner = jwt.decode(session.claims["assertion"], KEY.key)
    assert [one.claims["iat"] for one in (session, inner)] == [1101, 1101]


def test_no_token_outlives_the_session() -> None:
    minted = mint(KEY, "ostiary", SUBJECT, 4580.0, ID)
    assert jwt.decode(minted.token, KEY.key).claims["exp"] == 4600
    assert minted.max_age == 20


def test_a_token_too_large_for_a_cookie_is_said_so() -> None:
    many = tuple(f"group-{n:04}" * 3 for n in range(100))
    sign_in = replace(SIGN_IN, group_names=frozenset(many))
    subject = replace(
        SUBJECT,
        account=replace(SUBJECT.account, groups=many),
        door=replace(SUBJECT.door, sign_in=sign_in),
    )
    with pytest.raises(Refused, match="more groups"):
        mint(KEY, "ostiary", subject, 1100.0, ID)


def test_the_jwk_set_is_public_ordered_and_usable() -> None:
    keys = [KEY, fresh()]
    text = jwks(keys)
    assert text == jwks(reversed(keys))
    rows = json.loads(text)["keys"]
    assert [row["kid"] for row in rows] == sorted(key.kid for key in keys)
    assert all("d" not in row and row["alg"] == "ES256" for row in rows)
    minted = mint(KEY, "ostiary", SUBJECT, 1100.0, ID)
    jwt.decode(minted.token, KeySet.import_key_set(json.loads(text)))


def test_only_a_session_token_of_ours_is_verified_expired_or_not() -> None:
    minted = mint(KEY, "ostiary", SUBJECT, 1100.0, ID)
    found = verified(minted.token, [KEY], "ostiary")
    assert found is not None
    assert found["sid"] == "sid"
    assert verified(minted.handover, [KEY], "ostiary") is None
    assert verified(found["assertion"], [KEY], "ostiary") is None
    assert verified(minted.token, [fresh()], "ostiary") is None
    assert verified(minted.token, [KEY], "else") is None


@pytest.mark.parametrize("text", ["", "a.b.c", "x", "é", "a" * 5000, "eyJhbGciOiJub25lIn0.e30."])
def test_garbage_is_no_token(text: str) -> None:
    assert verified(text, [KEY], "ostiary") is None


def test_another_algorithm_is_no_token() -> None:
    minted = mint(KEY, "ostiary", SUBJECT, 1100.0, ID)
    none = jwt.encode({"alg": "HS256", "kid": KEY.kid}, {"aud": "ostiary:session"}, _secret())
    assert verified(none, [KEY], "ostiary") is None
    assert verified(minted.token + "x", [KEY], "ostiary") is None


def _secret() -> object:
    from joserfc.jwk import OctKey  # noqa: PLC0415

    return OctKey.import_key("x" * 32)
