"""Verdicts and who gave them: durable before anybody is told, in one order for all replicas.

`seq` comes from one row that is raised in the same transaction, and writers come one after the
other, so what is committed later has a higher number, on Postgres too. Fed by `login`, the admin
API and other tables of this room within their own transactions; feeds the stream to the guards.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, bindparam, delete, func, insert, select, text, update
from sqlalchemy.engine import Connection

from ostiary.errors import Refused
from ostiary.store.database import Database
from ostiary.store.verdict_rows import (
    AUDIT,
    TRUST,
    VERDICTS,
    Change,
    Deed,
    Order,
    audit,
    deed_of,
    note_pruning,
    row_of,
    verdict_of,
)
from ostiary.trust.verdict import Effect, Kind, Verdict, checked, keys_of_address

SESSION_VERDICT_LIFE: Final = 2 * 86_400.0
"""Seconds: longer than any token of a dead session can count, with skew and the longest grace."""
KEPT: Final = 86_400.0
"""Seconds for which a lifted verdict is remembered; a guard away for longer gets a snapshot."""
_AT_ONCE: Final = 500
"""Ids in one statement: every database takes as many."""
_EXPIRED: Final = 5_000
"""Verdicts lifted in one transaction because they are over."""
_ITSELF: Final = "ostiary"
"""Who lifts what is over, in the audit log."""


def put_many(
    connection: Connection, verdicts: Sequence[Verdict], who: str, why: str, now: float
) -> int:
    """All of them hold when the transaction commits; the number of the last one.

    One that is there already, the same in every word, changes nothing. `Refused` when an id is
    known for another key: guards find a verdict by its key.
    """
    wanted = {row["id"]: row for row in (row_of(checked(one)) for one in verdicts)}
    known = {row["id"]: row for row in _rows(connection, list(wanted))}
    seq, fresh = 0, []
    for name, row in wanted.items():
        old = known.get(name)
        if old is None:
            fresh.append(row)
        elif (old["kind"], old["key"]) != (row["kind"], row["key"]):
            raise Refused(
                "verdict-other",
                f"the verdict {name} is about another {old['kind']}",
                "lift that one, and give the new one an id of its own",
            )
        elif old["lifted"] is None and all(old[column] == row[column] for column in row):
            seq = max(seq, int(old["seq"]))
        else:
            fresh.append(row)
    if not fresh:
        return seq
    _remove(connection, [row["id"] for row in fresh if row["id"] in known])
    last = _raise(connection, len(fresh))
    first = last - len(fresh) + 1
    rows = [{**row, "seq": first + place, "lifted": None} for place, row in enumerate(fresh)]
    connection.execute(insert(VERDICTS), rows)
    audit(connection, "put", [verdict_of(row) for row in fresh], who, why, now)
    return last


def put_in(connection: Connection, verdict: Verdict, who: str, why: str, now: float) -> int:
    """`verdict` holds when the transaction commits; its number. The same again changes nothing."""
    return put_many(connection, [verdict], who, why, now)


def lift_in(connection: Connection, one: Verdict, who: str, why: str, now: float) -> int:
    """`one`, which holds, does so no longer when the transaction commits; the change's number."""
    return _lift(connection, [one], "lift", who, why, now)


def about(connection: Connection, keys: Sequence[tuple[Kind, str]]) -> list[Verdict]:
    """Every verdict about one of `keys` that was not lifted, within a transaction."""
    found: list[Verdict] = []
    for kind, key in keys:
        query = select(VERDICTS).where(
            VERDICTS.c.kind == kind, VERDICTS.c.key == key, VERDICTS.c.lifted.is_(None)
        )
        found += [verdict_of(row) for row in connection.execute(query).mappings()]
    return found


def about_address(connection: Connection, address: str) -> list[Verdict]:
    """Every verdict about the client's address, or a range around it, that was not lifted."""
    keys = keys_of_address(address)
    here = (VERDICTS.c.kind == Kind.ADDRESS) & VERDICTS.c.lifted.is_(None)
    if not keys or connection.execute(select(VERDICTS.c.id).where(here).limit(1)).first() is None:
        return []
    query = select(VERDICTS).where(here, VERDICTS.c.key.in_(keys))
    return [verdict_of(row) for row in connection.execute(query).mappings()]


def newest_about(connection: Connection, kind: Kind, key: str) -> int | None:
    """The number of the newest change of a verdict about `key`, within a transaction."""
    query = select(func.max(VERDICTS.c.seq)).where(VERDICTS.c.kind == kind, VERDICTS.c.key == key)
    return connection.execute(query).scalar()


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

    @property
    def shared(self) -> bool:
        """Whether another control plane may write verdicts too."""
        return self._database.shared

    def order(self) -> Order:
        """Which store this is; made with the first question."""
        with self._database.read() as connection:
            found = _order(connection)
        if found is None:
            with self._database.write() as connection:
                found = _made(connection)
        return found

    def put(self, verdicts: Sequence[Verdict], who: str, why: str, now: float) -> int:
        """All of them hold; the number of the last. One transaction."""
        with self._database.write() as connection:
            return put_many(connection, verdicts, who, why, now)

    def lift(self, ids: Sequence[uuid.UUID], who: str, why: str, now: float) -> int:
        """None of them holds any more; `Refused` when one is unknown, and then all stay.

        The number of the last change, by which all of them were lifted.
        """
        names = list(dict.fromkeys(str(one) for one in ids))
        with self._database.write() as connection:
            known = {row["id"]: row for row in _rows(connection, names)}
            for name in names:
                if name not in known:
                    raise Refused(
                        "verdict-unknown",
                        f"there is no verdict {name}",
                        "`ostiary verdict list` names them all",
                    )
            seq = max((int(row["seq"]) for row in known.values()), default=0)
            held = [verdict_of(known[name]) for name in names if known[name]["lifted"] is None]
            return max(seq, _lift(connection, held, "lift", who, why, now))

    def find(self, one: uuid.UUID) -> Verdict | None:
        """The verdict of that id, also one that was lifted a short time ago."""
        with self._database.read() as connection:
            return next((verdict_of(row) for row in _rows(connection, [str(one)])), None)

    def all(self, now: float, kind: Kind | None = None, key: str | None = None) -> list[Verdict]:
        """Those that hold, the newest first."""
        query = select(VERDICTS).where(VERDICTS.c.lifted.is_(None)).order_by(VERDICTS.c.seq.desc())
        if kind is not None:
            query = query.where(VERDICTS.c.kind == kind)
        if key is not None:
            query = query.where(VERDICTS.c.key == key)
        with self._database.read() as connection:
            rows = connection.execute(query).mappings()
            return [one for one in map(verdict_of, rows) if one.holds(now)]

    def since(self, seq: int, most: int) -> list[Change]:
        """What changed after `seq`, in order, `most` at once."""
        query = select(VERDICTS).where(VERDICTS.c.seq > seq).order_by(VERDICTS.c.seq).limit(most)
        with self._database.read() as connection:
            rows = connection.execute(query).mappings().all()
        return [Change(row["seq"], verdict_of(row), row["lifted"] is not None) for row in rows]

    def snapshot(self) -> tuple[Order, list[Verdict]]:
        """Everything that holds at a number, and that number.

        Changes that came while it was read may be among it: they come again after it, and a guard
        that hears them twice is none the worse.
        """
        order = self.order()
        query = select(VERDICTS).where(VERDICTS.c.lifted.is_(None)).order_by(VERDICTS.c.seq)
        with self._database.read() as connection:
            return order, [verdict_of(row) for row in connection.execute(query).mappings()]

    def held(self) -> int:
        """How many verdicts a snapshot would have."""
        query = select(func.count()).select_from(VERDICTS).where(VERDICTS.c.lifted.is_(None))
        with self._database.read() as connection:
            return connection.execute(query).scalar_one()

    def expire(self, now: float) -> bool:
        """What is over is lifted, what was lifted long ago forgotten; True if any was lifted."""
        over = (VERDICTS.c.expires > 0) & (VERDICTS.c.expires <= now)
        query = select(VERDICTS).where(over, VERDICTS.c.lifted.is_(None)).limit(_EXPIRED)
        lifted = False
        while True:
            if not self._any(query):
                break
            with self._database.write() as connection:
                found = [verdict_of(row) for row in connection.execute(query).mappings()]
                _lift(connection, found, "expire", _ITSELF, "its time was over", now)
            lifted = True
        if self._any(select(VERDICTS.c.id).where(VERDICTS.c.lifted < now - KEPT).limit(1)):
            with self._database.write() as connection:
                _forget(connection, VERDICTS.c.lifted < now - KEPT)
        return lifted

    def audit(self, most: int, verdict: str | None = None) -> list[Deed]:
        """The newest entries of the audit log, the newest first."""
        query = select(AUDIT).order_by(AUDIT.c.number.desc()).limit(most)
        if verdict is not None:
            query = query.where(AUDIT.c.verdict == verdict)
        with self._database.read() as connection:
            return [deed_of(row) for row in connection.execute(query).mappings()]

    def prune_audit(self, before: float, now: float) -> int:
        """Everything about verdicts that were over before that time is gone.

        How many entries; the log itself says so, in one of its own. What is about a verdict that
        holds, or was lifted since, is whole.
        """
        holding = select(VERDICTS.c.id).where(VERDICTS.c.lifted.is_(None))
        newer = select(AUDIT.c.verdict).where(AUDIT.c.time >= before)
        over = AUDIT.c.verdict.not_in(holding) & AUDIT.c.verdict.not_in(newer)
        old = (AUDIT.c.time < before) & ((AUDIT.c.verdict == "") | over)
        some = select(AUDIT.c.number).where(old).order_by(AUDIT.c.number).limit(_AT_ONCE)
        gone = 0
        while True:
            with self._database.read() as connection:
                numbers = list(connection.execute(some).scalars())
            if not numbers:
                break
            with self._database.write() as connection:
                connection.execute(delete(AUDIT).where(AUDIT.c.number.in_(numbers)))
            gone += len(numbers)
        if gone:
            with self._database.write() as connection:
                note_pruning(connection, gone, before, now)
        return gone

    def _any(self, query: Any) -> bool:
        with self._database.read() as connection:
            return connection.execute(query.limit(1)).first() is not None


def _rows(connection: Connection, names: Sequence[str]) -> Iterator[Any]:
    for start in range(0, len(names), _AT_ONCE):
        some = VERDICTS.c.id.in_(names[start : start + _AT_ONCE])
        yield from connection.execute(select(VERDICTS).where(some)).mappings().all()


def _remove(connection: Connection, names: Sequence[str]) -> None:
    for start in range(0, len(names), _AT_ONCE):
        some = VERDICTS.c.id.in_(names[start : start + _AT_ONCE])
        connection.execute(delete(VERDICTS).where(some))


def _lift(  # noqa: PLR0917
    connection: Connection, ones: Sequence[Verdict], deed: str, who: str, why: str, now: float
) -> int:
    if not ones:
        return 0
    last = _raise(connection, len(ones))
    first = last - len(ones) + 1
    change = (
        update(VERDICTS)
        .where(VERDICTS.c.id == bindparam("name"))
        .values(seq=bindparam("place"), lifted=now)
    )
    rows = [{"name": str(one.id), "place": first + place} for place, one in enumerate(ones)]
    connection.execute(change, rows)
    audit(connection, deed, ones, who, why, now)
    return last


def _forget(connection: Connection, old: ColumnElement[bool]) -> None:
    """A guard that needs one of those changes gets the whole table instead."""
    newest = connection.execute(select(func.max(VERDICTS.c.seq)).where(old)).scalar()
    if newest is not None:
        connection.execute(delete(VERDICTS).where(old))
        later = update(TRUST).where(TRUST.c.forgotten < newest).values(forgotten=newest)
        connection.execute(later)


def _order(connection: Connection) -> Order | None:
    row = connection.execute(select(TRUST)).mappings().first()
    return Order(row["epoch"], row["seq"], row["forgotten"]) if row is not None else None


def _made(connection: Connection) -> Order:
    """The order of this store, which is made when there was none."""
    first = text("INSERT INTO trust VALUES (1, :epoch, 0, 0) ON CONFLICT DO NOTHING")
    connection.execute(first, {"epoch": uuid.uuid4().hex})
    found = _order(connection)
    if found is None:
        raise Refused("verdict-order", "the store forgets at once what is written to it")
    return found


def _raise(connection: Connection, number: int) -> int:
    """The last of `number` fresh places. The row is ours until the transaction ends."""
    raised = update(TRUST).values(seq=TRUST.c.seq + number).returning(TRUST.c.seq)
    found = connection.execute(raised).scalar()
    if found is None:
        _made(connection)
        found = connection.execute(raised).scalar_one()
    return int(found)
