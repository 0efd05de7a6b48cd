"""API keys: made, found, replaced and revoked; the guards learn of each through the verdicts.

That a key exists is a verdict of its own (`known`), written in the same transaction, so that a key
works and ends wherever a verdict does. Fed by the admin API; feeds `login`.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Column, Float, String, Table, insert, select, update
from sqlalchemy.engine import Connection

from ostiary.errors import Refused
from ostiary.identity.api_keys import ApiKey
from ostiary.store.database import METADATA, Database
from ostiary.store.people import find_account
from ostiary.store.verdicts import about, lift_in, put_in
from ostiary.trust.verdict import Effect, Kind, Verdict

API_KEYS: Final = Table(
    "api_keys",
    METADATA,
    Column("sha256", String, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("name", String, nullable=False),
    Column("owner", String, nullable=False),
    Column("groups", String, nullable=False),
    Column("scopes", String, nullable=False),
    Column("created", Float, nullable=False),
    Column("expires", Float, nullable=False),
    Column("revoked", Float),
    Column("verdict", String, nullable=False),
)
_EXISTS: Final = "api-key-created"
_REVOKED: Final = "api-key-revoked"
_SOURCE: Final = "api-keys"
_ENDS: Final = 86_400.0
"""Seconds for which what a revoked key opened is looked for; no token of it lives as long."""


class ApiKeys:
    """Every key of this installation."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, key: ApiKey, who: str) -> int:
        """`key` works when every guard has come to the number that is returned."""
        with self._database.write() as connection:
            return _add(connection, key, who)

    def find(self, sha256: str) -> ApiKey | None:
        """The key with that SHA-256, whether it works or not."""
        with self._database.read() as connection:
            query = select(API_KEYS).where(API_KEYS.c.sha256 == sha256)
            row = connection.execute(query).mappings().first()
        return None if row is None else _key(row)

    def all(self) -> Sequence[ApiKey]:
        """Every key that was not revoked, the newest first."""
        with self._database.read() as connection:
            query = select(API_KEYS).where(API_KEYS.c.revoked.is_(None))
            rows = connection.execute(query.order_by(API_KEYS.c.created.desc())).mappings()
            return [_key(row) for row in rows]

    def replace(self, name: str, sha256: str, overlap: float, now: float, who: str) -> ApiKey:
        """The key `name` has a successor with `sha256`, and itself ends in `overlap` seconds."""
        with self._database.write() as connection:
            old = _named(connection, name)
            if not old.holds(now):
                raise _over(old)
            lives = old.expires - old.created if old.expires else 0.0
            expires = now + lives if lives else 0.0
            new = replace(old, sha256=sha256, created=now, expires=expires, verdict="")
            _add(connection, new, who)
            end = min(now + overlap, old.expires or now + overlap)
            _set(connection, old, {"expires": end})
            put_in(connection, _known(replace(old, expires=end)), who, "api-key-replaced", now)
        return new

    def revoke(self, name: str, now: float, who: str) -> int:
        """The key opens nothing any more, and what it opened ends."""
        with self._database.write() as connection:
            old = _named(connection, name)
            for one in about(connection, [(Kind.API_KEY, old.sha256)]):
                if one.effect is Effect.KNOWN:
                    lift_in(connection, one, who, _REVOKED, now)
            _set(connection, old, {"revoked": now})
            verdict = Verdict(
                id=uuid.uuid4(),
                kind=Kind.API_KEY,
                key=old.sha256,
                effect=Effect.DENY,
                reason=_REVOKED,
                source=_SOURCE,
                since=now,
                expires=now + _ENDS,
            )
            return put_in(connection, verdict, who, _REVOKED, now)


def _add(connection: Connection, key: ApiKey, who: str) -> int:
    if key.owner and find_account(connection, key.owner) is None:
        raise Refused(
            "account-unknown",
            f"there is no account {key.owner!r}",
            "`ostiary user list` names them all; without an owner it is a service's own key",
        )
    made = replace(key, verdict=str(uuid.uuid4()))
    row = {
        "sha256": made.sha256,
        "id": made.id,
        "name": made.name,
        "owner": made.owner,
        "groups": json.dumps(made.groups),
        "scopes": json.dumps(made.scopes),
        "created": made.created,
        "expires": made.expires,
        "revoked": None,
        "verdict": made.verdict,
    }
    connection.execute(insert(API_KEYS).values(row))
    return put_in(connection, _known(made), who, made.name, made.created)


def _known(key: ApiKey) -> Verdict:
    return Verdict(
        id=uuid.UUID(key.verdict),
        kind=Kind.API_KEY,
        key=key.sha256,
        effect=Effect.KNOWN,
        reason=_EXISTS,
        source=_SOURCE,
        since=key.created,
        expires=key.expires,
    )


def _named(connection: Connection, name: str) -> ApiKey:
    query = select(API_KEYS).where(API_KEYS.c.id == name)
    row = connection.execute(query).mappings().first()
    if row is None:
        raise Refused(
            "key-unknown",
            f"there is no API key {name!r}",
            "`ostiary key list` names them all",
        )
    return _key(row)


def _over(key: ApiKey) -> Refused:
    return Refused(
        "key-over",
        f"the API key {key.id} is over or revoked",
        "make a new one: `ostiary key create`",
    )


def _set(connection: Connection, key: ApiKey, values: dict[str, Any]) -> None:
    connection.execute(update(API_KEYS).where(API_KEYS.c.sha256 == key.sha256).values(values))


def _key(row: Any) -> ApiKey:
    return ApiKey(
        sha256=row["sha256"],
        name=row["name"],
        owner=row["owner"],
        groups=tuple(json.loads(row["groups"])),
        scopes=tuple(json.loads(row["scopes"])),
        created=row["created"],
        expires=row["expires"],
        revoked=row["revoked"],
        verdict=row["verdict"],
    )
