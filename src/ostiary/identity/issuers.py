"""Issuers of access tokens: what their tokens have to be, as the guard and `login` both read it.

Pure. Fed by the plan; the control plane stores them with their key sets before a proxy names them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from ostiary.errors import Refused

NO_KEYS: Final = '{"keys":[]}'
"""What is known of an issuer whose keys nobody has fetched yet."""
_PUBLIC: Final = ("kty", "crv", "kid", "alg", "use", "n", "e", "x", "y")
_MOST_KEYS: Final = 100


@dataclass(frozen=True, slots=True)
class Issuer:
    """One entry of `identity.issuers`, every default taken. Times are seconds."""

    name: str
    issuer: str
    audiences: tuple[str, ...]
    algorithms: tuple[str, ...]
    types: tuple[str, ...]
    """In lower case, without `application/`."""
    clock_skew: int
    longest: int
    user: str
    email: str
    groups: str
    scopes: str
    email_domains: tuple[str, ...]
    url: str
    """Empty: the keys are in `file`."""
    ca: str
    """Empty: the system's authorities."""
    file: str


def terms(one: Issuer, key_set: str) -> dict[str, Any]:
    """What the guard is told of `one`, whose keys are `key_set`."""
    return {
        "issuer": one.issuer,
        "jwks": json.loads(key_set),
        "algorithms": list(one.algorithms),
        "types": list(one.types),
        "clock_skew": one.clock_skew,
        "longest": one.longest,
        "claims": {
            "user": one.user,
            "email": one.email,
            "groups": one.groups,
            "scopes": one.scopes,
        },
        "email_domains": list(one.email_domains),
    }


def write_issuers(issuers: Iterable[Issuer]) -> str:
    """`issuers` as canonical JSON: equal issuers give equal text."""
    rows = [asdict(one) for one in issuers]
    return json.dumps(rows, sort_keys=True, separators=(",", ":"))


def read_issuers(text: str) -> Mapping[str, Issuer]:
    """The issuers that were written as `text`, by name."""
    rows: list[dict[str, Any]] = json.loads(text)
    return {row["name"]: Issuer(**{key: _frozen(one) for key, one in row.items()}) for row in rows}


def key_set(text: bytes) -> str:
    """The public keys in `text`, a JWK set, as canonical JSON; `Refused` when it is none.

    Whatever else stands there, a private part too, is left behind.
    """
    try:
        found = json.loads(text)
        keys = [dict(_public(one)) for one in found["keys"]]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _no_key_set("it is no JSON with a list `keys`") from error
    if len(keys) > _MOST_KEYS:
        raise _no_key_set(f"it has more than {_MOST_KEYS} keys")
    ordered = sorted(keys, key=lambda one: json.dumps(one, sort_keys=True))
    return json.dumps({"keys": ordered}, sort_keys=True, separators=(",", ":"))


def _public(key: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    return ((name, str(value)) for name, value in key.items() if name in _PUBLIC)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _no_key_set(why: str) -> Refused:
    return Refused("key-set", f"the key set cannot be read: {why}", "ask who runs the issuer")
