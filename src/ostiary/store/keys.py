"""The keys that sign our tokens, sealed, in the order of their lives: next, current, retired.

Rotation: `publish()` a next key, wait until every proxy has it, `promote()` it. A retired key is
still published, for tokens signed with it live on. Fed by the control plane; feeds `login`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from sqlalchemy import Column, Float, LargeBinary, String, Table, delete, insert, select
from sqlalchemy import update as change
from sqlalchemy.engine import Connection

from ostiary.errors import Refused
from ostiary.identity.tokens import SigningKey, signing_key
from ostiary.store.database import METADATA, Database
from ostiary.store.seal import Seal


class KeyState(StrEnum):
    """Where a key stands in its life."""

    NEXT = "next"
    """Published, not yet used."""
    CURRENT = "current"
    RETIRED = "retired"
    """Published, no longer used."""


SIGNING_KEYS: Final = Table(
    "signing_keys",
    METADATA,
    Column("kid", String, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("state", String, nullable=False),
    Column("since", Float, nullable=False),
)


class Keys:
    """The signing keys. Opened keys are remembered; the store is asked which is current."""

    def __init__(self, database: Database, seal: Seal) -> None:
        self._database = database
        self._seal = seal
        self._opened: dict[str, SigningKey] = {}

    def ensure(self, now: float) -> None:
        """There is a current and a next key afterwards."""
        with self._database.write() as connection:
            states = set(connection.execute(select(SIGNING_KEYS.c.state)).scalars())
            for state in (KeyState.CURRENT, KeyState.NEXT):
                if state not in states:
                    self._create(connection, state, now)

    def current(self) -> SigningKey:
        """The key to sign with; `Refused` when there is none yet."""
        with self._database.read() as connection:
            row = connection.execute(
                select(SIGNING_KEYS.c.kid, SIGNING_KEYS.c.sealed).where(
                    SIGNING_KEYS.c.state == KeyState.CURRENT
                )
            ).first()
        if row is None:
            raise Refused("no-signing-key", "no signing key exists yet", "start the control plane")
        return self._open(row[0], row[1])

    def published(self) -> tuple[SigningKey, ...]:
        """Every key whose signatures count, ordered by id."""
        with self._database.read() as connection:
            query = select(SIGNING_KEYS.c.kid, SIGNING_KEYS.c.sealed).order_by(SIGNING_KEYS.c.kid)
            rows = connection.execute(query).all()
        return tuple(self._open(kid, sealed) for kid, sealed in rows)

    def in_use_since(self) -> float:
        """When the current key came into use; `inf` when there is none yet."""
        query = select(SIGNING_KEYS.c.since).where(SIGNING_KEYS.c.state == KeyState.CURRENT)
        with self._database.read() as connection:
            since = connection.execute(query).scalar()
        return float("inf") if since is None else float(since)

    def promote(self, now: float) -> None:
        """The next key is current, the current one retired, and a new next key is published.

        Call it only when every proxy has acknowledged the keys published before.
        """
        with self._database.write() as connection:
            for old, new in (
                (KeyState.CURRENT, KeyState.RETIRED),
                (KeyState.NEXT, KeyState.CURRENT),
            ):
                connection.execute(
                    change(SIGNING_KEYS)
                    .where(SIGNING_KEYS.c.state == old)
                    .values(state=new, since=now)
                )
            self._create(connection, KeyState.NEXT, now)

    def forget_retired(self, before: float) -> None:
        """Keys retired before that time are gone: no token signed with them can still be valid."""
        with self._database.write() as connection:
            connection.execute(
                delete(SIGNING_KEYS).where(
                    SIGNING_KEYS.c.state == KeyState.RETIRED, SIGNING_KEYS.c.since < before
                )
            )

    def _create(self, connection: Connection, state: KeyState, now: float) -> None:
        pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        kid = signing_key(pem).kid
        sealed = self._seal.seal(pem, _name(kid))
        row = {"kid": kid, "sealed": sealed, "state": state, "since": now}
        connection.execute(insert(SIGNING_KEYS).values(row))

    def _open(self, kid: str, sealed: bytes) -> SigningKey:
        if kid not in self._opened:
            self._opened[kid] = signing_key(self._seal.open(sealed, _name(kid)))
        return self._opened[kid]


def _name(kid: str) -> str:
    return f"signing key {kid}"
