"""The decision log: what every proxy said about every request, for as long as retention allows.

Fed by `signals`; feeds `explain` and the admin API. Written in batches by position, because a busy
edge makes thousands of records a second.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    Integer,
    Row,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    update,
)

from ostiary.plan.record import ALLOWS_LOG, DENIALS_LOG, DecisionRecord
from ostiary.store.database import METADATA, Database

_SPECIAL: Final = {
    "id": Column("id", String, nullable=False, index=True),
    "time": Column("time", Float, nullable=False),
    "code": Column("code", Integer, nullable=False),
    "duration": Column("duration", Float, nullable=False),
    "groups": Column("groups", Text, nullable=False),
    "offline": Column("offline", Boolean, nullable=False),
    "verdict": Column("verdict", Text, nullable=False, server_default=""),
    "effect": Column("effect", Text, nullable=False, server_default=""),
    "reason": Column("reason", Text, nullable=False, server_default=""),
    "risk": Column("risk", Integer),
    "waf": Column("waf", Text, nullable=False, server_default=""),
}
"""Columns that are not plain text; `groups` is a JSON array."""
DECISIONS: Final = Table(
    "decisions",
    METADATA,
    Column(
        "seq",
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    *(_SPECIAL.get(name, Column(name, Text, nullable=False)) for name in DecisionRecord._fields),
)
COUNTS: Final = Table(
    "decision_counts",
    METADATA,
    Column("name", String, primary_key=True),
    Column("value", BigInteger, nullable=False),
    Column("since", Float, nullable=False),
)
_GROUPS: Final = DecisionRecord._fields.index("groups")
_STEP: Final = 5_000
"""Rows that one pruning transaction takes away at most, so that writers are not kept waiting."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How much of the log is kept. Refusals and allowed requests are counted apart."""

    denials: int = 500_000
    allows: int = 500_000
    seconds: float = 30 * 86_400.0


@dataclass(frozen=True, slots=True)
class Counts:
    """What the log holds and what it never got, since the store was made."""

    written: int
    dropped: int
    kept: int


class Decisions:
    """The log over one database."""

    def __init__(
        self,
        database: Database,
        retention: Retention | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._retention = retention or Retention()
        self._clock = clock

    def append(self, records: Sequence[DecisionRecord], *, dropped: int = 0) -> None:
        """`records` are kept; `dropped` is added to the count of those that never will be."""
        rows = [
            (*record[:_GROUPS], json.dumps(record.groups), *record[_GROUPS + 1 :])
            for record in records
        ]
        with self._database.write() as connection:
            if rows:
                _insert(connection, rows)
            self._add(connection, "written", len(rows))
            self._add(connection, "dropped", dropped)

    def find(self, decision: str) -> tuple[DecisionRecord, ...]:
        """All records of the id `decision`, in the order of arrival; empty: not recorded."""
        query = select(DECISIONS).where(DECISIONS.c.id == decision).order_by(DECISIONS.c.seq)
        with self._database.read() as connection:
            return tuple(_record(row) for row in connection.execute(query))

    def recent(
        self,
        limit: int,
        *,
        route: str | None = None,
        subject: str | None = None,
        denied: bool | None = None,
    ) -> tuple[DecisionRecord, ...]:
        """The newest `limit` records that match, newest first."""
        query = select(DECISIONS).order_by(DECISIONS.c.seq.desc()).limit(limit)
        if route is not None:
            query = query.where(DECISIONS.c.route == route)
        if subject is not None:
            query = query.where(DECISIONS.c.subject == subject)
        if denied is not None:
            log = DECISIONS.c.log
            query = query.where(log == DENIALS_LOG if denied else log == ALLOWS_LOG)
        with self._database.read() as connection:
            return tuple(_record(row) for row in connection.execute(query))

    def prune(self) -> None:
        """Nothing is kept that is older than the retention, nor more than its numbers."""
        before = self._clock() - self._retention.seconds
        for log, keep in (
            (DENIALS_LOG, self._retention.denials),
            (ALLOWS_LOG, self._retention.allows),
        ):
            mine = DECISIONS.c.log == log
            newest = select(DECISIONS.c.seq).where(mine).order_by(DECISIONS.c.seq.desc())
            with self._database.read() as connection:
                first_over = connection.scalar(newest.offset(keep).limit(1))
            if first_over is not None:
                self._remove(mine & (DECISIONS.c.seq <= first_over))
            self._remove(mine & (DECISIONS.c.time < before))

    def counts(self) -> Counts:
        """How many were written and dropped since the store was made, and how many are here."""
        with self._database.read() as connection:
            values = {row.name: row.value for row in connection.execute(select(COUNTS))}
            kept = connection.scalar(select(func.count()).select_from(DECISIONS))
        return Counts(values.get("written", 0), values.get("dropped", 0), kept or 0)

    def _remove(self, condition: Any) -> None:
        some = select(DECISIONS.c.seq).where(condition).limit(_STEP)
        while True:
            with self._database.write() as connection:
                gone = connection.execute(delete(DECISIONS).where(DECISIONS.c.seq.in_(some)))
            if gone.rowcount < _STEP:
                return

    def _add(self, connection: Connection, name: str, number: int) -> None:
        if not number:
            return
        mine = COUNTS.c.name == name
        raised = update(COUNTS).where(mine).values(value=COUNTS.c.value + number)
        if connection.execute(raised).rowcount == 0:
            first = {"name": name, "value": number, "since": self._clock()}
            connection.execute(insert(COUNTS).values(first))


def _insert(connection: Connection, rows: list[tuple[Any, ...]]) -> None:
    """Past SQLAlchemy's per-row work where the driver takes positions: 3 us a row, not 12."""
    statement = insert(DECISIONS).values(dict.fromkeys(DecisionRecord._fields))
    compiled = statement.compile(dialect=connection.dialect)
    if compiled.positional:
        connection.exec_driver_sql(str(compiled), rows)
    else:
        named = [dict(zip(DecisionRecord._fields, row, strict=True)) for row in rows]
        connection.execute(insert(DECISIONS), named)


def _record(row: Row[Any]) -> DecisionRecord:
    values = list(row)[1:]
    values[_GROUPS] = tuple(json.loads(values[_GROUPS]))
    return DecisionRecord(*values)
