"""Accepted revisions of the document, who took them, who refused what, and the policy records.

Fed by `app` on each change and by `xds` on each ACK and NACK; feeds a restart (the last accepted
sources go on), `status`, `login` and `explain`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    Column,
    Float,
    ForeignKey,
    Integer,
    Row,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
)
from sqlalchemy.engine import Connection

from ostiary.store.database import METADATA, Database

REVISIONS: Final = Table(
    "revisions",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("hash", String, nullable=False),
    Column("sources", Text, nullable=False),
    Column("time", Float, nullable=False),
    sqlite_autoincrement=True,  # a number is never used twice: snapshots on disk refuse lower ones
)
ACCEPTANCES: Final = Table(
    "revision_acceptances",
    METADATA,
    Column("number", ForeignKey("revisions.number", ondelete="CASCADE"), primary_key=True),
    Column("proxy", String, primary_key=True),
    Column("time", Float, nullable=False),
)
REFUSALS: Final = Table(
    "revision_refusals",
    METADATA,
    Column("number", ForeignKey("revisions.number", ondelete="CASCADE"), primary_key=True),
    Column("proxy", String, primary_key=True),
    Column("resource", String, primary_key=True),
    Column("place", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("time", Float, nullable=False),
)
POLICIES: Final = Table(
    "policies",
    METADATA,
    Column("hash", String, primary_key=True),
    Column("record", Text, nullable=False),
    Column("time", Float, nullable=False),
)
_AT_ONCE: Final = 500
"""Hashes in one question; SQLite takes no more than some thousand values."""
KEEP: Final = 50
"""Revisions that `prune` leaves."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One accepted state of all watched files."""

    number: int
    hash: str
    """Content hash of the sources."""
    sources: Mapping[str, str]
    """File name -> text, as read."""
    time: float


@dataclass(frozen=True, slots=True)
class Refusal:
    """A resource that a proxy did not take."""

    proxy: str
    resource: str
    place: str
    """`file:line:column` of who wrote it."""
    reason: str
    """Envoy's own words."""
    time: float


class Revisions:
    """The history over one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def accept(self, content: str, sources: Mapping[str, str], now: float) -> Revision:
        """`sources` with the hash `content` are the newest revision, or already were."""
        with self._database.write() as connection:
            newest = connection.execute(_NEWEST).one_or_none()
            if newest is not None and newest.hash == content:
                return _revision(newest)
            text = json.dumps(dict(sources), sort_keys=True)
            row = {"hash": content, "sources": text, "time": now}
            made = connection.execute(insert(REVISIONS).values(row)).inserted_primary_key
            if made is None:  # no driver of ours does this
                raise RuntimeError("the database gave the new revision no number")
            return Revision(int(made[0]), content, dict(sources), now)

    def newest(self) -> Revision | None:
        """The last accepted revision; None on a first start."""
        with self._database.read() as connection:
            row = connection.execute(_NEWEST).one_or_none()
        return None if row is None else _revision(row)

    def get(self, number: int) -> Revision | None:
        """The revision `number`; None when there was none, or it has been pruned."""
        with self._database.read() as connection:
            query = select(REVISIONS).where(REVISIONS.c.number == number)
            row = connection.execute(query).one_or_none()
        return None if row is None else _revision(row)

    def taken(self, number: int, proxy: str, now: float) -> None:
        """`proxy` runs revision `number` without a refusal; its older refusals of it are gone."""
        with self._database.write() as connection:
            connection.execute(delete(REFUSALS).where(_of(REFUSALS, number, proxy)))
            connection.execute(delete(ACCEPTANCES).where(_of(ACCEPTANCES, number, proxy)))
            row = {"number": number, "proxy": proxy, "time": now}
            connection.execute(insert(ACCEPTANCES).values(row))

    def takers(self, number: int) -> Mapping[str, float]:
        """The proxies that run revision `number`, and since when."""
        query = select(ACCEPTANCES).where(ACCEPTANCES.c.number == number)
        with self._database.read() as connection:
            return {row.proxy: row.time for row in connection.execute(query)}

    def refused(self, number: int, refusal: Refusal) -> None:
        """`refusal` is noted under revision `number`, in the place of an older one of the same."""
        row = {
            "number": number,
            "proxy": refusal.proxy,
            "resource": refusal.resource,
            "place": refusal.place,
            "reason": refusal.reason,
            "time": refusal.time,
        }
        same = _of(REFUSALS, number, refusal.proxy) & (REFUSALS.c.resource == refusal.resource)
        with self._database.write() as connection:
            connection.execute(delete(REFUSALS).where(same))
            connection.execute(insert(REFUSALS).values(row))

    def refusals(self, number: int) -> tuple[Refusal, ...]:
        """What stands refused of revision `number`, oldest first."""
        query = select(REFUSALS).where(REFUSALS.c.number == number).order_by(REFUSALS.c.time)
        with self._database.read() as connection:
            return tuple(
                Refusal(row.proxy, row.resource, row.place, row.reason, row.time)
                for row in connection.execute(query)
            )

    def save_policy(self, content: str, record: str, now: float) -> None:
        """The policy record with the hash `content` is kept."""
        self.save_policies({content: record}, now)

    def save_policies(self, records: Mapping[str, str], now: float) -> None:
        """Every record is kept under its hash, in one transaction; known hashes are left alone."""
        if not records:
            return
        with self._database.write() as connection:
            known = _known_policies(connection, list(records))
            rows = [
                {"hash": content, "record": record, "time": now}
                for content, record in records.items()
                if content not in known
            ]
            if rows:
                connection.execute(insert(POLICIES), rows)

    def policy(self, content: str) -> str | None:
        """The policy record (`plan.policy.load` reads it) with the hash `content`."""
        with self._database.read() as connection:
            found = select(POLICIES.c.record).where(POLICIES.c.hash == content)
            return connection.scalar(found)

    def prune(self, keep: int = KEEP) -> None:
        """Only the newest `keep` revisions are left. Policy records stay: the log names them."""
        over = select(REVISIONS.c.number).order_by(REVISIONS.c.number.desc()).offset(keep).limit(1)
        with self._database.write() as connection:
            last = connection.scalar(over)
            if last is not None:
                connection.execute(delete(REVISIONS).where(REVISIONS.c.number <= last))


_NEWEST: Final = select(REVISIONS).order_by(REVISIONS.c.number.desc()).limit(1)


def _known_policies(connection: Connection, hashes: Sequence[str]) -> set[str]:
    """Those of `hashes` that are there; asked by name, for thousands of others are there too."""
    known: set[str] = set()
    for start in range(0, len(hashes), _AT_ONCE):
        some = hashes[start : start + _AT_ONCE]
        known.update(connection.scalars(select(POLICIES.c.hash).where(POLICIES.c.hash.in_(some))))
    return known


def _of(table: Table, number: int, proxy: str) -> Any:
    return (table.c.number == number) & (table.c.proxy == proxy)


def _revision(row: Row[Any]) -> Revision:
    return Revision(row.number, row.hash, json.loads(row.sources), row.time)
