"""Verdicts and who gave them: durable before anybody is told, in one order for all replicas.

`seq` comes from one row that the writing transaction holds, so that what is committed later has a
higher number, on Postgres too. Fed by `login`, the admin API and other tables of this room within
their own transactions; feeds the stream to the guards.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    String,
    Table,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.engine import Connection

from ostiary.errors import Refused
from ostiary.store.database import METADATA, Database
from ostiary.trust.verdict import Effect, Kind, Verdict, checked

VERDICTS: Final = Table(
    "verdicts",
    METADATA,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("key", String, nullable=False),
    Column("effect", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("source", String, nullable=False),
    Column("since", Float, nullable=False),
    Column("expires", Float, nullable=False),
    Column("score", Integer, nullable=False),
    Column("rate", Integer, nullable=False),
    Column("per", Float, nullable=False),
    Column("seq", BigInteger, nullable=False, index=True),
    Column("lifted", Float),
    Index("verdicts_of_key", "kind", "key"),
)
TRUST: Final = Table(
    "trust",
    METADATA,
    Column("one", Integer, primary_key=True),
    Column("epoch", String, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("forgotten", BigInteger, nullable=False),
)
AUDIT: Final = Table(
    "audit",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("time", Float, nullable=False),
    Column("who", String, nullable=False),
    Column("deed", String, nullable=False),
    Column("verdict", String, nullable=False, index=True),
    Column("kind", String, nullable=False),
    Column("key", String, nullable=False),
    Column("effect", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("why", String, nullable=False),
)
SESSION_VERDICT_LIFE: Final = 2 * 86_400.0
"""Seconds: longer than any token of a dead session can count, with skew and the longest grace."""
KEPT: Final = 86_400.0
"""Seconds for which a lifted verdict is remembered; a guard away for longer gets a snapshot."""


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one verdict; the newest state only, for the older ones do not matter."""

    seq: int
    verdict: Verdict
    lifted: bool


@dataclass(frozen=True, slots=True)
class Deed:
    """One entry of the audit log."""

    time: float
    who: str
    deed: str
    """`put`, `lift` or `expire`."""
    verdict: str
    kind: str
    key: str
    effect: str
    reason: str
    why: str


@dataclass(frozen=True, slots=True)
class Order:
    """Which store this is, and how far it has come."""

    epoch: str
    seq: int
    forgotten: int
    """Changes up to this one are not all known any more."""


def put_in(connection: Connection, verdict: Verdict, who: str, why: str, now: float) -> int:
    """`verdict` holds when the transaction commits; its number. The same again changes nothing."""
    verdict = checked(verdict)
    row = _row(verdict)
    known = connection.execute(select(VERDICTS).where(VERDICTS.c.id == row["id"])).mappings()
    found = known.first()
    if found is not None:
        same = found["lifted"] is None and all(found[name] == row[name] for name in row)
        if same:
            return int(found["seq"])
        connection.execute(delete(VERDICTS).where(VERDICTS.c.id == row["id"]))
    seq = _next(connection)
    connection.execute(insert(VERDICTS).values(**row, seq=seq, lifted=None))
    _audit(connection, verdict, "put", who, why, now)
    return seq


def lift_in(connection: Connection, one: Verdict, who: str, why: str, now: float) -> int:
    """`one` holds no longer when the transaction commits."""
    seq = _next(connection)
    change = update(VERDICTS).where(VERDICTS.c.id == str(one.id)).values(seq=seq, lifted=now)
    connection.execute(change)
    _audit(connection, one, "expire" if who == "" else "lift", who, why, now)
    return seq


def about(connection: Connection, keys: Sequence[tuple[Kind, str]]) -> list[Verdict]:
    """Every verdict about one of `keys` that was not lifted, within a transaction."""
    found: list[Verdict] = []
    for kind, key in keys:
        query = select(VERDICTS).where(
            VERDICTS.c.kind == kind, VERDICTS.c.key == key, VERDICTS.c.lifted.is_(None)
        )
        found += [_verdict(row) for row in connection.execute(query).mappings()]
    return found


def session_ended(connection: Connection, sid: str, reason: str, now: float, who: str) -> int:
    """Every guard refuses `sid` from now on, within the transaction that made it dead."""
    verdict = Verdict(
        id=uuid.uuid4(),
        kind=Kind.SESSION,
        key=sid,
        effect=Effect.DENY,
        reason=reason,
        source="sessions",
        since=now,
        expires=now + SESSION_VERDICT_LIFE,
    )
    return put_in(connection, verdict, who, reason, now)


class Verdicts:
    """All verdicts of this installation."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def order(self) -> Order:
        """Which store this is; made with the first question."""
        with self._database.read() as connection:
            row = connection.execute(select(TRUST)).mappings().first()
            if row is not None:
                return Order(row["epoch"], row["seq"], row["forgotten"])
        with self._database.write() as connection:
            return _order(connection)

    def put(self, verdicts: Sequence[Verdict], who: str, why: str, now: float) -> int:
        """All of them hold; the number of the last. One transaction."""
        with self._database.write() as connection:
            return max(put_in(connection, one, who, why, now) for one in verdicts)

    def lift(self, ids: Sequence[uuid.UUID], who: str, why: str, now: float) -> int:
        """None of them holds any more; `Refused` when one is unknown, and then all stay."""
        with self._database.write() as connection:
            seq = 0
            for one in ids:
                query = select(VERDICTS).where(VERDICTS.c.id == str(one))
                row = connection.execute(query).mappings().first()
                if row is None:
                    raise Refused(
                        "verdict-unknown",
                        f"there is no verdict {one}",
                        "`ostiary verdict list` names them all",
                    )
                already = row["lifted"] is not None
                seq = (
                    int(row["seq"])
                    if already
                    else lift_in(connection, _verdict(row), who, why, now)
                )
            return seq

    def all(self, now: float, kind: Kind | None = None, key: str | None = None) -> list[Verdict]:
        """Those that hold, the newest first."""
        query = select(VERDICTS).where(VERDICTS.c.lifted.is_(None)).order_by(VERDICTS.c.seq.desc())
        if kind is not None:
            query = query.where(VERDICTS.c.kind == kind)
        if key is not None:
            query = query.where(VERDICTS.c.key == key)
        with self._database.read() as connection:
            rows = connection.execute(query).mappings()
            return [one for one in map(_verdict, rows) if one.holds(now)]

    def since(self, seq: int, most: int) -> list[Change]:
        """What changed after `seq`, in order, `most` at once."""
        query = select(VERDICTS).where(VERDICTS.c.seq > seq).order_by(VERDICTS.c.seq).limit(most)
        with self._database.read() as connection:
            rows = connection.execute(query).mappings().all()
        return [Change(row["seq"], _verdict(row), row["lifted"] is not None) for row in rows]

    def snapshot(self) -> tuple[Order, list[Verdict]]:
        """Everything that was not lifted, and how far that is."""
        with self._database.write() as connection:
            order = _order(connection)
            query = select(VERDICTS).where(VERDICTS.c.lifted.is_(None)).order_by(VERDICTS.c.seq)
            return order, [_verdict(row) for row in connection.execute(query).mappings()]

    def expire(self, now: float) -> bool:
        """What is over is lifted, and what was lifted long ago forgotten; True if that changed."""
        over = (VERDICTS.c.expires > 0) & (VERDICTS.c.expires <= now)
        with self._database.write() as connection:
            query = select(VERDICTS).where(over, VERDICTS.c.lifted.is_(None))
            found = [_verdict(row) for row in connection.execute(query).mappings()]
            for one in found:
                lift_in(connection, one, "", "its time was over", now)
            old = VERDICTS.c.lifted < now - KEPT
            newest = connection.execute(select(func.max(VERDICTS.c.seq)).where(old)).scalar()
            if newest is not None:
                connection.execute(delete(VERDICTS).where(old))
                connection.execute(
                    update(TRUST).where(TRUST.c.forgotten < newest).values(forgotten=newest)
                )
            return bool(found)

    def audit(self, most: int, verdict: str | None = None) -> list[Deed]:
        """The newest entries of the audit log."""
        query = select(AUDIT).order_by(AUDIT.c.number.desc()).limit(most)
        if verdict is not None:
            query = query.where(AUDIT.c.verdict == verdict)
        with self._database.read() as connection:
            rows = connection.execute(query).mappings().all()
        return [Deed(**{k: v for k, v in row.items() if k != "number"}) for row in rows]


def _order(connection: Connection) -> Order:
    row = connection.execute(select(TRUST)).mappings().first()
    if row is None:
        epoch = uuid.uuid4().hex
        connection.execute(insert(TRUST).values(one=1, epoch=epoch, seq=0, forgotten=0))
        return Order(epoch, 0, 0)
    return Order(row["epoch"], row["seq"], row["forgotten"])


def _next(connection: Connection) -> int:
    """The next number. The row is ours until the transaction ends, so numbers come in order."""
    _order(connection)
    connection.execute(update(TRUST).values(seq=TRUST.c.seq + 1))
    return int(connection.execute(select(TRUST.c.seq)).scalar_one())


def _audit(  # noqa: PLR0917
    connection: Connection, one: Verdict, deed: str, who: str, why: str, now: float
) -> None:
    connection.execute(
        insert(AUDIT).values(
            time=now,
            who=who or "ostiary",
            deed=deed,
            verdict=str(one.id),
            kind=one.kind,
            key=one.key,
            effect=one.effect,
            reason=one.reason,
            why=why,
        )
    )


def _row(one: Verdict) -> dict[str, Any]:
    return {
        "id": str(one.id),
        "kind": str(one.kind),
        "key": one.key,
        "effect": str(one.effect),
        "reason": one.reason,
        "source": one.source,
        "since": one.since,
        "expires": one.expires,
        "score": one.score,
        "rate": one.rate,
        "per": one.per,
    }


def _verdict(row: Any) -> Verdict:
    return Verdict(
        id=uuid.UUID(row["id"]),
        kind=Kind(row["kind"]),
        key=row["key"],
        effect=Effect(row["effect"]),
        reason=row["reason"],
        source=row["source"],
        since=row["since"],
        expires=row["expires"],
        score=row["score"],
        rate=row["rate"],
        per=row["per"],
    )
