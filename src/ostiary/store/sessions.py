"""Sessions, refresh handles and one-time codes.

Whoever mints does so inside the transaction that has just looked at the session and its account:
nothing is minted for a session that was ended a moment before. Of every secret only the hash is
here. Fed by `login`; feeds its tokens, through the rules of `identity`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from math import ceil, floor
from typing import TypeVar

from sqlalchemy import delete, func, insert, select
from sqlalchemy import update as change
from sqlalchemy.engine import Connection

from ostiary.errors import Refused
from ostiary.identity.codes import CODE_LIFETIME, YOUNG, refuse_code
from ostiary.identity.exchange import Redeem, Redeemed, Refreshed
from ostiary.identity.model import Account, Code, Lifetimes, Session, why_ended
from ostiary.identity.rotation import (
    Ended,
    PlainHandle,
    Refresh,
    RefreshHandle,
    Rotate,
    digest,
    first_handle,
    judge,
    read_handle,
)
from ostiary.store.database import Database
from ostiary.store.people import CODES, HANDLES, SESSIONS, find_account
from ostiary.store.verdicts import about, about_address, newest_about, session_ended
from ostiary.trust.verdict import Effect, Kind, Verdict, standing

T = TypeVar("T")
Mint = Callable[[Session, Account], T]
Person = tuple[Session, Account]


class Sessions:
    """Every session of this installation."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open(
        self, session: Session, handle: RefreshHandle, replaces: str | None, address: str = ""
    ) -> None:
        """`session` is alive and `handle` is its right on the sign-in host.

        `replaces` is the sid this browser had before: it is dead, for a sign-in is a new session.
        `address` is where the browser is. `Refused` when a verdict holds against any of them.
        """
        with self._database.write() as connection:
            if replaces is not None:
                _kill(connection, replaces, "signed-in-again", session.created)
            held = _held(connection, session, session.created, address)
            if held is not None and held.effect is Effect.STEP_UP:
                # Asked for in this very second: this sign-in is the answer to it, and its token
                # has to say so. It counts whole seconds, and the guard compares.
                session = replace(session, created=float(ceil(session.created)))
                held = _held(connection, session, session.created, address)
            if held is not None:
                whom = "address" if held.kind is Kind.ADDRESS else "account"
                raise Refused(
                    "access-withdrawn",
                    f"access was withdrawn from this {whom} ({held.reason})",
                    "ask whoever administers these applications",
                )
            connection.execute(insert(SESSIONS).values(asdict(session)))
            connection.execute(insert(HANDLES).values(asdict(handle)))

    def person(self, sid: str) -> Person | None:
        """Session and account of `sid` as they are now, dead or not."""
        with self._database.read() as connection:
            return _person(connection, sid)

    def recognise(self, text: str, host: str, lifetimes: Lifetimes, now: float) -> Person | None:
        """Whose handle `text` is on the sign-in host `host`, if the session is alive and in use."""
        with self._database.read() as connection:
            presented, stored = _handle(connection, text)
            if presented is None or stored is None or stored.host != host:
                return None
            person = _person(connection, stored.sid)
        if person is None or digest(presented.secret) != stored.current:
            return None
        if why_ended(*person, lifetimes, now) or now - person[0].last_used > lifetimes.idle:
            return None
        with self._database.read() as connection:
            return None if _held(connection, person[0], now) is not None else person

    def why_not(self, text: str, host: str, lifetimes: Lifetimes, now: float) -> str | None:
        """Why the handle `text` is good for nothing any more on the sign-in host `host`, as a code.

        None when it is good, or when whoever presents it never had a session by it: only its own
        browser is told what became of a session.
        """
        with self._database.read() as connection:
            presented, stored = _handle(connection, text)
            if presented is None or stored is None or stored.host != host:
                return None
            person = _person(connection, stored.sid)
            if person is None or digest(presented.secret) != stored.current:
                return None
            ended = why_ended(*person, lifetimes, now)
            if ended is not None:
                return ended
            held = _held(connection, person[0], now)
            if held is not None:
                return _word(held)
        return "idle-lifetime" if now - person[0].last_used > lifetimes.idle else None

    def owner(self, text: str) -> str | None:
        """The sid whose family of handles `text` belongs to, alive or not."""
        with self._database.read() as connection:
            stored = _handle(connection, text)[1]
            return None if stored is None else stored.sid

    def put_code(self, code: Code) -> None:
        """`code` can be redeemed once."""
        with self._database.write() as connection:
            connection.execute(insert(CODES).values(asdict(code)))
            _touch(connection, code.sid, code.created)

    def redeem(self, asked: Redeem, mint: Mint[T]) -> Redeemed[T] | Ended:
        """The code is used up whatever the answer; granted, the first handle is stored."""
        with self._database.write() as connection:
            code = _take_code(connection, asked)
            if code is None:
                return Ended("code-unknown")
            refused = refuse_code(code, asked.host, asked.start, asked.now)
            if refused is not None:
                return Ended(refused)
            person = _person(connection, code.sid)
            if person is None or why_ended(*person, asked.lifetimes, asked.now):
                return Ended("session-ended")
            held = _held(connection, person[0], asked.now, asked.address)
            if held is not None:
                return Ended(_word(held))
            recent = _count_codes(connection, code, asked.now)
            minted = mint(*person)
            kept = first_handle(asked.plain, code.sid, asked.host, asked.now)
            connection.execute(insert(HANDLES).values(asdict(kept)))
            _touch(connection, code.sid, asked.now)
        return Redeemed(minted, person[0], code, recent)

    def refresh(self, asked: Refresh, mint: Mint[T]) -> Refreshed[T] | Ended:
        """A new token for a live session, or why there is none; see `identity.rotation`."""
        with self._database.write() as connection:
            presented, stored = _handle(connection, asked.handle)
            if presented is None or stored is None:
                return Ended("handle-unknown")
            person = _person(connection, stored.sid)
            if person is None or stored.sid != asked.sid:
                return Ended("handle-of-another-session")
            verdict = judge(asked, presented, stored, person)
            if isinstance(verdict, Ended):
                if verdict.kill:
                    _kill(connection, stored.sid, verdict.reason, asked.now)
                return verdict
            held = _held(connection, person[0], asked.now, asked.address)
            if held is not None:
                return Ended(_word(held))
            minted = mint(*person)
            if isinstance(verdict, Rotate):
                _keep(connection, verdict.kept)
                _touch(connection, stored.sid, asked.now)
        return Refreshed(minted, *person, verdict.plain)

    def kill(self, sid: str, reason: str, now: float) -> int | None:
        """No token is minted for `sid` any more, on any host, and no guard lets it pass.

        The number of that verdict, of an older one when it was dead already; None when there is
        no such session.
        """
        with self._database.write() as connection:
            return _kill(connection, sid, reason, now)

    def alive(self, account: str | None) -> list[Session]:
        """Sessions that were not ended, the newest first; of one account or of all."""
        query = select(SESSIONS).where(SESSIONS.c.dead.is_(None))
        if account is not None:
            query = query.where(SESSIONS.c.account == account)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(SESSIONS.c.created.desc())).mappings()
            return [Session(**row) for row in rows]

    def sweep(self, before: float, now: float) -> None:
        """Sessions that began before that time, their handles, and old codes are gone."""
        with self._database.write() as connection:
            old = select(SESSIONS.c.sid).where(SESSIONS.c.created < before)
            connection.execute(delete(HANDLES).where(HANDLES.c.sid.in_(old)))
            connection.execute(delete(SESSIONS).where(SESSIONS.c.created < before))
            connection.execute(delete(CODES).where(CODES.c.created < now - 2 * CODE_LIFETIME))


def kill_account(connection: Connection, account: str, reason: str, now: float) -> None:
    """Every session of `account` is dead, and refused by every guard, within a transaction."""
    alive = (SESSIONS.c.account == account) & SESSIONS.c.dead.is_(None)
    for sid in connection.execute(select(SESSIONS.c.sid).where(alive)).scalars().all():
        _kill(connection, sid, reason, now)


def _kill(connection: Connection, sid: str, reason: str, now: float) -> int | None:
    alive = (SESSIONS.c.sid == sid) & SESSIONS.c.dead.is_(None)
    if not connection.execute(change(SESSIONS).where(alive).values(dead=reason)).rowcount:
        return newest_about(connection, Kind.SESSION, sid)
    return session_ended(connection, sid, reason, now, "sessions")


def _held(
    connection: Connection, session: Session, now: float, address: str = ""
) -> Verdict | None:
    """What a verdict holds against minting a token of `session`: it would be refused at once.

    The gateway has looked at the address before; another one may not have heard of it yet.
    """
    keys = [
        (Kind.USER, session.account),
        (Kind.SESSION, session.sid),
        (Kind.PROVIDER, session.provider),
    ]
    # As the guard compares it: a token says in whole seconds when somebody signed in.
    known = [*about(connection, keys), *about_address(connection, address)]
    found = standing(known, now, floor(session.created))
    return found if found is not None and found.effect is not Effect.LIMIT else None


def _word(held: Verdict) -> str:
    return "step-up" if held.effect is Effect.STEP_UP else "access-withdrawn"


def _touch(connection: Connection, sid: str, now: float) -> None:
    connection.execute(change(SESSIONS).where(SESSIONS.c.sid == sid).values(last_used=now))


def _person(connection: Connection, sid: str) -> Person | None:
    row = connection.execute(select(SESSIONS).where(SESSIONS.c.sid == sid)).mappings().first()
    if row is None:
        return None
    account = find_account(connection, row["account"])
    return None if account is None else (Session(**row), account)


def _handle(connection: Connection, text: str) -> tuple[PlainHandle | None, RefreshHandle | None]:
    presented = read_handle(text)
    if presented is None:
        return None, None
    query = select(HANDLES).where(HANDLES.c.family == digest(presented.family))
    row = connection.execute(query).mappings().first()
    return presented, None if row is None else RefreshHandle(**row)


def _keep(connection: Connection, kept: RefreshHandle) -> None:
    values = asdict(kept)
    statement = change(HANDLES).where(HANDLES.c.family == values.pop("family"))
    connection.execute(statement.values(values))


def _take_code(connection: Connection, asked: Redeem) -> Code | None:
    mine = CODES.c.digest == asked.digest
    row = connection.execute(select(CODES).where(mine)).mappings().first()
    if row is None:
        return None
    code = Code(**row)
    used = replace(code, used=code.used or asked.now)
    connection.execute(change(CODES).where(mine).values(used=used.used))
    return code


def _count_codes(connection: Connection, code: Code, now: float) -> int:
    query = select(func.count()).where(
        CODES.c.sid == code.sid, CODES.c.host == code.host, CODES.c.created > now - YOUNG
    )
    return connection.execute(query).scalar_one()
