"""Tokens that must open nothing, each with the reason for which it is refused.

Made afresh for every run, with an issuer's real keys wherever an attacker could have such a token.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from joserfc import jwt as ours
from joserfc.jwk import ECKey, RSAKey
from machine_rig import AUDIENCE, ISSUER, Issuer, b64, raw

HOUR: Final = 3600
Make = Callable[[Issuer], str]


def _es256(key: Any, data: bytes) -> bytes:

    r, s = decode_dss_signature(key.private_key.sign(data, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _texts(header: dict[str, Any] | str, payload: dict[str, Any] | str) -> Make:
    def make(issuer: Issuer) -> str:
        head = header if isinstance(header, str) else json.dumps(header)
        body = payload if isinstance(payload, str) else json.dumps(issuer.claims() | payload)
        signing = f"{b64(head.encode())}.{b64(body.encode())}"
        return f"{signing}.{b64(_es256(issuer.keys['ec'], signing.encode()))}"

    return make


def _head(**changes: Any) -> dict[str, Any]:
    return {"alg": "ES256", "kid": "ec", "typ": "at+jwt"} | changes


def _claims(**changes: Any) -> Make:
    return lambda issuer: issuer.token(**changes)


def _times(**changes: int) -> Make:
    def make(issuer: Issuer) -> str:
        now = int(time.time())
        return issuer.token(**{name: now + value for name, value in changes.items()})

    return make


def _with(header: dict[str, Any], payload: dict[str, Any] | None = None) -> Make:
    return _texts(_head(**header), payload or {})


def _none(alg: str) -> Make:
    return lambda issuer: raw(_head(alg=alg), issuer.claims(), b"")


def _hmac_with_public_key(issuer: Issuer) -> str:
    """The RSA public key, which everybody has, as the secret of an HMAC."""
    secret = issuer.keys["rsa"].as_pem(private=False)
    head = {"alg": "HS256", "kid": "rsa", "typ": "at+jwt"}
    signing = f"{b64(json.dumps(head).encode())}.{b64(json.dumps(issuer.claims()).encode())}"
    return f"{signing}.{b64(hmac.new(secret, signing.encode(), hashlib.sha256).digest())}"


def _own_key(place: str) -> Make:
    def make(issuer: Issuer) -> str:
        key = ECKey.generate_key("P-256", {"kid": "ec"})
        value: Any = key.as_dict(private=False) if place == "jwk" else "https://evil.test/keys"
        return _resigned(issuer, key, {place: value})

    return make


def _resigned(issuer: Issuer, key: Any, header: dict[str, Any]) -> str:
    head = json.dumps(_head(**header))
    signing = f"{b64(head.encode())}.{b64(json.dumps(issuer.claims()).encode())}"
    return f"{signing}.{b64(_es256(key, signing.encode()))}"


def _other_key(alg: str) -> Make:
    def make(issuer: Issuer) -> str:
        if alg == "ES256":
            return issuer.token(alg, ECKey.generate_key("P-256", {"kid": "ec"}))
        return issuer.token(alg, RSAKey.generate_key(2048, {"kid": "rsa"}))

    return make


def _altered(issuer: Issuer) -> str:
    head, _, signature = issuer.token().split(".")
    return f"{head}.{b64(json.dumps(issuer.claims(sub='admin')).encode())}.{signature}"


def _of_another_place(typ: str, **claims: Any) -> Make:
    """A token of the gateway itself, by a key of the issuer: the best that an attacker could do."""
    return _texts(_head(typ=typ), claims)


def _encrypted(_: Issuer) -> str:
    return ".".join(b64(part) for part in (b'{"alg":"dir","enc":"A256GCM"}', b"", b"i", b"c", b"t"))


def _deep(issuer: Issuer) -> str:
    nested = "[" * 40 + "]" * 40
    body = json.dumps(issuer.claims())[:-1] + f', "x": {nested}}}'
    return _texts(json.dumps(_head()), body)(issuer)


def _twice(key: str, value: str) -> Make:
    def make(issuer: Issuer) -> str:
        body = json.dumps(issuer.claims())[:-1] + f', "{key}": {value}}}'
        return _texts(json.dumps(_head()), body)(issuer)

    return make


def _nested(issuer: Issuer) -> str:
    return _texts(_head(cty="JWT"), {"inner": issuer.token()})(issuer)


def _ours(issuer: Issuer) -> str:
    """A whole session token."""
    claims = {"iss": "ostiary", "aud": "ostiary:session", "sub": "x", "exp": int(time.time()) + 60}
    head = {"alg": "ES256", "kid": "k1", "typ": "ostiary-session+jwt"}
    return ours.encode(head, claims, issuer.keys["ec"])


HOSTILE: Final[dict[str, tuple[Make, str]]] = {
    "none": (_none("none"), "token-algorithm"),
    "None": (_none("None"), "token-algorithm"),
    "no algorithm": (
        lambda i: raw({"kid": "ec", "typ": "at+jwt"}, i.claims(), b""),
        "token-algorithm",
    ),
    "a public key as a secret": (_hmac_with_public_key, "token-algorithm"),
    "an algorithm of another kind of key": (
        _texts(_head(alg="RS256"), {}),
        "token-algorithm",
    ),
    "another curve": (_texts(_head(alg="ES384"), {}), "token-algorithm"),
    "the algorithm is a list": (_texts(_head(alg=["ES256"]), {}), "token-algorithm"),
    "its own key": (_own_key("jwk"), "token-embedded-key"),
    "where its key is (jku)": (_own_key("jku"), "token-embedded-key"),
    "where its certificate is (x5u)": (_own_key("x5u"), "token-embedded-key"),
    "its own certificate": (_with({"x5c": ["MIIB"]}), "token-embedded-key"),
    "crit": (_with({"crit": ["b64"], "b64": False}), "token-critical"),
    "crit, and empty": (_with({"crit": []}), "token-critical"),
    "compressed": (_with({"zip": "DEF"}), "token-encrypted"),
    "encrypted": (_encrypted, "token-encrypted"),
    "another typ": (_with({"typ": "JWT"}), "token-type"),
    "without typ": (lambda i: i.token(header={"typ": None}), "token-type"),
    "typ is a number": (_with({"typ": 1}), "token-type"),
    "a security event": (_with({"typ": "secevent+jwt"}, {"events": {}}), "token-type"),
    "a logout token": (_with({"typ": "logout+jwt"}, {"events": {}}), "token-type"),
    "an event that calls itself an access token": (_with({}, {"events": {}}), "token-is-event"),
    "an ID token": (_with({"typ": "JWT"}, {"nonce": "n"}), "token-type"),
    "an ID token that calls itself an access token": (
        _with({}, {"nonce": "n"}),
        "token-is-id-token",
    ),
    "an ID token with at_hash": (_with({}, {"at_hash": "h"}), "token-is-id-token"),
    "a DPoP proof": (_with({"typ": "dpop+jwt"}), "token-type"),
    "a session token of ours": (_ours, "token-issuer"),
    "our typ": (_of_another_place("ostiary-session+jwt"), "token-type"),
    "our hand-over": (_of_another_place("ostiary-machine+jwt"), "token-type"),
    "bound to a key": (_with({}, {"cnf": {"jkt": "x"}}), "token-bound"),
    "bound to a certificate": (_with({}, {"cnf": {"x5t#S256": "x"}}), "token-bound"),
    "another issuer": (_claims(iss="https://evil.test"), "token-issuer"),
    "the issuer with a slash": (_claims(iss=f"{ISSUER}/"), "token-issuer"),
    "no issuer": (_claims(iss=None), "token-issuer"),
    "the issuer in a list": (_claims(iss=[ISSUER]), "token-issuer"),
    "another audience": (_claims(aud="https://other.test"), "token-audience"),
    "no audience": (_claims(aud=None), "token-audience"),
    "a part of the audience": (_claims(aud=AUDIENCE[:-1]), "token-audience"),
    "an audience that is no text": (_claims(aud=[AUDIENCE, 1]), "token-audience"),
    "expired": (_times(exp=-60), "token-expired"),
    "without an end": (_claims(exp=None), "token-times"),
    "an end in words": (_claims(exp="tomorrow"), "token-times"),
    "an end before all times": (_claims(exp=-1), "token-times"),
    "an end that nobody lives to see": (_claims(exp=1e300), "token-times"),
    "valid for ever": (_times(exp=10 * 365 * 24 * HOUR), "token-lifetime"),
    "from the future": (_times(nbf=600), "token-early"),
    "issued in the future": (_times(iat=600), "token-early"),
    "nobody": (_claims(sub=None), "token-claim"),
    "a nameless somebody": (_claims(sub=""), "token-claim"),
    "a number for a name": (_claims(sub=7), "token-claim"),
    "a line end in a name": (_claims(sub="a\r\nx-admin: 1"), "token-claim"),
    "groups that are no texts": (_claims(groups=[["staff"]]), "token-claim"),
    "two names": (_twice("sub", '"admin"'), "token-duplicate-key"),
    "two audiences in two claims": (_twice("aud", '"x"'), "token-duplicate-key"),
    "JSON without a bottom": (_deep, "token-nested"),
    "a token in a token": (_nested, "token-nested"),
    "huge": (_claims(x="x" * 9000), "token-too-long"),
    "an unknown key": (lambda i: i.token(header={"kid": "nobody"}), "token-unknown-key"),
    "a path for a key": (lambda i: i.token(header={"kid": "../../dev/null"}), "token-unknown-key"),
    "without a key": (lambda i: i.token(header={"kid": None}), "token-no-key-id"),
    "another's elliptic key": (_other_key("ES256"), "token-signature"),
    "another's RSA key": (_other_key("RS256"), "token-signature"),
    "another's RSA-PSS key": (_other_key("PS256"), "token-signature"),
    "altered": (_altered, "token-signature"),
    "a signature of nothing": (lambda i: raw(_head(), i.claims(), bytes(64)), "token-signature"),
    "without a signature": (lambda i: raw(_head(), i.claims(), b""), "token-signature"),
    "padded": (lambda i: i.token() + "==", "token-malformed"),
    "two parts": (lambda i: i.token().rpartition(".")[0], "token-malformed"),
    "four parts": (lambda i: i.token() + ".x", "token-malformed"),
    "a list for claims": (lambda _: raw(_head(), "[]", b"x"), "token-malformed"),
    "no JSON": (lambda _: raw(_head(), "sub=admin", b"x"), "token-malformed"),
    "nothing": (lambda _: "", "credential-scheme"),
    "dots": (lambda _: "..", "token-malformed"),
}
