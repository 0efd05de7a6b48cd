"""A real Envoy with the guard, a real `login` behind its slow path, and an issuer of access tokens.

`Issuer` signs whatever a test wants; its keys are in a file that `login` fetches from. What `login`
is asked goes through its own code, over a real SQLite store.
"""

from __future__ import annotations

import base64
import contextlib
import json
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import identity_rig
from joserfc import jwt as tokens
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from ostiary.app.key_sets import KeySets
from ostiary.features.credentials import Accepted
from ostiary.identity.directory import Directory, Place, SignInHost
from ostiary.identity.issuers import Issuer as Terms
from ostiary.identity.issuers import terms, write_issuers
from ostiary.identity.model import Lifetimes
from ostiary.identity.tokens import SigningKey
from ostiary.login.asked import read
from ostiary.login.check import Check
from ostiary.login.ports import Stores
from ostiary.plan.policy import PolicyRecord
from ostiary.policy.rules import Effect, Level, Rule
from ostiary.store.accounts import Accounts
from ostiary.store.database import Database
from ostiary.store.revisions import Revisions
from ostiary.store.seal import Seal
from ostiary.store.sessions import Sessions
from ostiary.store.site import SiteStore
from ostiary.wire import ISSUERS_TEXT

AUDIENCE = "https://api.test"
ISSUER = "https://corp.test"
HOST = "notes.test"
SERVICE = "spiffe://test/default/default/service/notes"
LEVELS = (
    Level(
        "route notes",
        (
            Rule("notes/staff", Effect.ALLOW, groups=("staff",)),
            Rule("notes/open", Effect.ALLOW, public=True, paths=("/open/*",)),
        ),
    ),
)


@dataclass
class Issuer:
    """Signs access tokens; every key of it is published in `file` by `publish`."""

    file: Path
    keys: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.keys |= {
            "rsa": RSAKey.generate_key(2048, {"kid": "rsa"}),
            "ec": ECKey.generate_key("P-256", {"kid": "ec"}),
            "ed": OKPKey.generate_key("Ed25519", {"kid": "ed"}),
        }
        self.publish()

    def publish(self) -> str:
        """The key set, as everybody who asks gets it from now on."""
        found = json.dumps(KeySet(list(self.keys.values())).as_dict(private=False))
        self.file.write_text(found)
        return found

    def claims(self, **changes: Any) -> dict[str, Any]:
        """What a good token says; a claim that is None is left out."""
        now = int(time.time())
        made = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "robot",
            "client_id": "robot",
            "jti": "1",
            "iat": now,
            "exp": now + 120,
            "groups": ["staff"],
            "scope": "read write",
        } | changes
        return {name: value for name, value in made.items() if value is not None}

    def token(self, alg: str = "ES256", key: Any = None, header: Any = None, **claims: Any) -> str:
        """A token of this issuer; a header that is None is left out."""
        name = {"RS256": "rsa", "PS256": "rsa", "EdDSA": "ed", "Ed25519": "ed"}.get(alg, "ec")
        head = {"alg": alg, "kid": name, "typ": "at+jwt"} | (header or {})
        head = {key: value for key, value in head.items() if value is not None}
        said = self.claims(**claims)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # EdDSA has a new name, and everybody still says this
            return tokens.encode(head, said, key or self.keys[name], algorithms=[alg])


def raw(header: dict[str, Any] | str, payload: dict[str, Any] | str, signature: bytes) -> str:
    """A token of exactly these parts; a text is taken as it is."""

    def part(what: dict[str, Any] | str) -> str:
        text = what if isinstance(what, str) else json.dumps(what)
        return b64(text.encode())

    return f"{part(header)}.{part(payload)}.{b64(signature)}"


def b64(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@dataclass(frozen=True)
class _Key:
    """The one key that the rig knows."""

    key: SigningKey

    def current(self) -> SigningKey:
        return self.key

    def published(self) -> list[SigningKey]:
        return [self.key]


@dataclass
class Rig:
    """What runs."""

    edge: identity_rig.Rig
    issuer: Issuer

    def ask(self, token: str | None, path: str = "/", **more: Any) -> identity_rig.Answer:
        """One request with a bearer token."""
        headers = list(more.pop("headers", ()))
        if token is not None:
            headers.append(("authorization", f"Bearer {token}"))
        return self.edge.request(path, headers=headers, **more)


@contextlib.contextmanager
def rig(folder: Path, *, login: bool = False, **changes: Any) -> Iterator[Rig]:
    """Everything runs; `changes` are to what the issuer's tokens have to be."""
    issuer = Issuer(folder / "keys.json")
    corp = replace(corp_of(issuer.file), **changes)
    accepted = Accepted(login=login, bearer={"corp": [AUDIENCE]})
    told = json.dumps(accepted.told)
    record = PolicyRecord("default/default/notes", (HOST,), LEVELS, login, "", credentials=told)
    site = identity_rig.site(
        "/", LEVELS, policy=record.hash, blocks={"credentials": accepted}, cookies=login
    )
    issuers = json.dumps({"corp": terms(corp, issuer.file.read_text())})
    database = Database.in_folder(folder)
    with (
        contextlib.closing(database),
        identity_rig.rig(folder, [site], mode="guard", issuers=issuers) as edge,
    ):
        stores = stores_of(folder, database, corp, record, edge.key)
        check = Check(stores, identity_rig.ISSUER, time.time)
        edge.answer = lambda request: check.answer(read(request))
        yield Rig(edge, issuer)


def corp_of(file: Path) -> Terms:
    """What tokens of the issuer with the keys in `file` have to be."""
    return Terms(
        name="corp",
        issuer=ISSUER,
        audiences=(AUDIENCE,),
        algorithms=("RS256", "PS256", "ES256", "EdDSA"),
        types=("at+jwt",),
        clock_skew=5,
        longest=3600,
        user="sub",
        email="email",
        groups="groups",
        scopes="",
        email_domains=(),
        url="",
        ca="",
        file=str(file),
    )


def stores_of(
    folder: Path, database: Database, corp: Terms, record: PolicyRecord, key: ECKey
) -> Stores:
    """What `login` needs, in real stores; it knows the keys that the issuer has now."""
    database.create()
    seal, site, revisions = Seal.in_folder(folder), SiteStore(database), Revisions(database)
    sign_in = SignInHost(
        host="login.test",
        origin="https://login.test:8443",
        lifetimes=Lifetimes(60, 600, 3600),
        group_names=frozenset({"staff"}),
        group_set=identity_rig.GROUP_SET,
        providers=(),
    )
    site.put_directory(Directory((Place(HOST, 8443, "login.test", (SERVICE,)),), (sign_in,)))
    site.put(ISSUERS_TEXT, write_issuers([corp]))
    revisions.save_policies({record.hash: record.dump()}, time.time())
    key_sets = KeySets(site)
    key_sets.fetch(corp)
    return Stores(
        accounts=Accounts(database),
        sessions=Sessions(database),
        keys=_Key(SigningKey("k1", key)),
        site=site,
        policies=revisions,
        seal=seal,
        key_sets=key_sets,
    )
