"""What the authority must not forget: its roots, the join tokens, what it issued, snapshot numbers.

Private keys are sealed with the state key, tokens are kept as hashes only. Fed by and feeds
`authority`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import Column, Float, Integer, LargeBinary, Row, String, Table, delete, select
from sqlalchemy.exc import IntegrityError

from ostiary.errors import Refused
from ostiary.store.database import METADATA, Database
from ostiary.store.seal import Seal

ROOTS: Final = Table(
    "authority_root",
    METADATA,
    Column("name", String, primary_key=True),
    Column("certificate", LargeBinary, nullable=False),
    Column("sealed_key", LargeBinary, nullable=False),
)
TOKENS: Final = Table(
    "authority_join_token",
    METADATA,
    Column("hash", String, primary_key=True),
    Column("spiffe_id", String, nullable=False),
    Column("expires", Float, nullable=False),
    Column("used", Float),
)
ISSUED: Final = Table(
    "authority_issued",
    METADATA,
    Column("serial", String, primary_key=True),
    Column("subject", String, nullable=False, index=True),
    Column("not_after", Float, nullable=False),
)
SERVING: Final = Table(
    "authority_serving",
    METADATA,
    Column("hosts", String, primary_key=True),
    Column("chain", LargeBinary, nullable=False),
    Column("sealed_key", LargeBinary, nullable=False),
)
NUMBERS: Final = Table(
    "authority_snapshot",
    METADATA,
    Column("proxy", String, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("digest", String, nullable=False),
)


class AuthorityStore:
    """The authority's tables in one database, under one seal."""

    def __init__(self, database: Database, seal: Seal) -> None:
        self._database = database
        self._seal = seal

    def root(self, name: str) -> tuple[bytes, bytes] | None:
        """Certificate and private key (PEM) of the root `name`; None before the first start."""
        with self._database.read() as connection:
            row = connection.execute(select(ROOTS).where(ROOTS.c.name == name)).one_or_none()
        if row is None:
            return None
        return row.certificate, self._seal.open(row.sealed_key, f"root/{name}")

    def keep_root(self, name: str, certificate: bytes, key: bytes) -> tuple[bytes, bytes]:
        """The root `name` afterwards: this one, or the one another process kept before us."""
        sealed = self._seal.seal(key, f"root/{name}")
        row = {"name": name, "certificate": certificate, "sealed_key": sealed}
        try:
            with self._database.write() as connection:
                connection.execute(ROOTS.insert().values(row))
        except IntegrityError:
            return self.root(name) or (certificate, key)
        return certificate, key

    def add_token(self, digest: str, spiffe_id: str, expires: datetime) -> None:
        """A token with this hash may join once, as `spiffe_id`, until `expires`."""
        row = {"hash": digest, "spiffe_id": spiffe_id, "expires": expires.timestamp()}
        with self._database.write() as connection:
            connection.execute(TOKENS.insert().values(row))

    def token_owner(self, digest: str, now: datetime) -> str:
        """The id a token is bound to, without using it up; raises `Refused` when it is no good."""
        with self._database.read() as connection:
            row = connection.execute(select(TOKENS).where(TOKENS.c.hash == digest)).one_or_none()
        return _owner(row, now)

    def use_token(self, digest: str, now: datetime) -> str:
        """The id a token is bound to; the token is used up. Of two callers one is `Refused`."""
        chosen = TOKENS.c.hash == digest
        with self._database.write() as connection:
            owner = _owner(connection.execute(select(TOKENS).where(chosen)).one_or_none(), now)
            connection.execute(TOKENS.update().where(chosen).values(used=now.timestamp()))
        return owner

    def record(self, serial: int, subject: str, not_after: datetime, now: datetime) -> None:
        """`serial` was issued to `subject`; what expired before `now` is forgotten, tokens too."""
        row = {"serial": f"{serial:x}", "subject": subject, "not_after": not_after.timestamp()}
        with self._database.write() as connection:
            connection.execute(ISSUED.insert().values(row))
            connection.execute(delete(ISSUED).where(ISSUED.c.not_after < now.timestamp()))
            connection.execute(delete(TOKENS).where(TOKENS.c.expires < now.timestamp() - _REMEMBER))

    def serving(self, hosts: str) -> tuple[bytes, bytes] | None:
        """Chain and private key (PEM) last kept for these hosts."""
        with self._database.read() as connection:
            chosen = select(SERVING).where(SERVING.c.hosts == hosts)
            row = connection.execute(chosen).one_or_none()
        if row is None:
            return None
        return row.chain, self._seal.open(row.sealed_key, f"serving/{hosts}")

    def keep_serving(self, hosts: str, chain: bytes, key: bytes) -> None:
        """These are the chain and key for these hosts from now on, in every replica."""
        row = {"chain": chain, "sealed_key": self._seal.seal(key, f"serving/{hosts}")}
        with self._database.write() as connection:
            connection.execute(delete(SERVING).where(SERVING.c.hosts == hosts))
            connection.execute(SERVING.insert().values(hosts=hosts, **row))

    def issued(self, subject: str) -> list[str]:
        """Serial numbers (hexadecimal) issued to `subject` that have not expired."""
        with self._database.read() as connection:
            chosen = select(ISSUED.c.serial).where(ISSUED.c.subject == subject)
            return list(connection.execute(chosen).scalars())

    def snapshot_number(self, proxy: str, digest: str) -> int:
        """The number of a proxy's snapshot: one more than before whenever its digest differs."""
        with self._database.write() as connection:
            chosen = NUMBERS.c.proxy == proxy
            row = connection.execute(select(NUMBERS).where(chosen)).one_or_none()
            if row is None:
                values = {"proxy": proxy, "number": 1, "digest": digest}
                connection.execute(NUMBERS.insert().values(values))
                return 1
            if row.digest == digest:
                return int(row.number)
            number = int(row.number) + 1
            connection.execute(NUMBERS.update().where(chosen).values(number=number, digest=digest))
            return number


_REMEMBER: Final = 24 * 3600.0
"""Seconds a dead token is still known, so that its refusal can say why."""


def _owner(row: Row[tuple[str, str, float, float | None]] | None, now: datetime) -> str:
    hint = "ask for a new one; a join token works once and for ten minutes"
    if row is None:
        raise Refused("join-token-unknown", "this authority never made that join token", hint)
    if row.used is not None:
        raise Refused("join-token-used", "that join token has been used before", hint)
    if row.expires < now.timestamp():
        raise Refused("join-token-expired", "that join token has expired", hint)
    return str(row.spiffe_id)
