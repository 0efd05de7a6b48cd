"""Why a program's credential counted for nothing, in words for `explain`.

The codes are the guard's (`guard/credentials/src/reason.rs`), which `login` repeats.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_MISSING: Final = "credential-missing"
REASONS: Final[Mapping[str, str]] = {
    _MISSING: "the request shows no credential, and the rules ask who it is from",
    "credential-scheme": "`Authorization` is of a kind that this route does not accept",
    "credential-twice": "the request shows two credentials of one kind",
    "key-malformed": "what stands in the place of an API key is none of ours",
    "key-unknown": "there is no such API key, or it is over or revoked",
    "key-owner": "the account that owns the API key is disabled or gone",
    "token-algorithm": "the token is signed in a way that does not count for its issuer or key",
    "token-audience": "the token is for somebody else: its `aud` is none of the route's",
    "token-bound": "the token is bound to a key, and the request does not prove that it has it",
    "token-claim": "a claim of the token that names somebody is missing, or is no text",
    "token-critical": "the token wants an extension to be understood (`crit`)",
    "token-duplicate-key": "a name stands twice in the token, so it can be read in two ways",
    "token-early": "the token is not valid yet, or was issued in the future",
    "token-embedded-key": "the token brings its own key, or says where one is",
    "token-encrypted": "the token is encrypted or compressed",
    "token-expired": "the token is over",
    "token-is-event": "the token tells of a security event, and opens nothing",
    "token-is-id-token": "the token is an ID token, which tells a client who signed in",
    "token-issuer": "the token is of no issuer that this route accepts",
    "token-lifetime": "the token lives longer than `longest` of its issuer",
    "token-malformed": "the token is no signed JSON Web Token",
    "token-nested": "the token has a token in it, or JSON that is too deep",
    "token-no-key-id": "the token does not say which key signed it (`kid`)",
    "token-signature": "the signature is not that of the key which the token names",
    "token-times": "the token has no `exp`, or times that are no numbers",
    "token-too-long": "the token is longer than 8 KiB",
    "token-type": "the token is of another type: its `typ` is none of its issuer's",
    "token-unknown-key": "no key of the issuer has the id that the token names",
}


def words(reason: str) -> tuple[str, str]:
    """Why, and what can be done."""
    if reason == _MISSING:
        return REASONS[reason], "show an access token of an issuer that the route accepts"
    return REASONS[reason], "get a new token from its issuer, for this application"
