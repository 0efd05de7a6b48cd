"""Local accounts, and how often somebody failed to sign in.

Fed by `login` and the command line; feeds `sessions`. Disabling an account ends its sessions in
the same transaction.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import delete, insert, select
from sqlalchemy import update as change
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from ostiary.errors import Refused
from ostiary.identity.attempts import FORGET, Counter, wait
from ostiary.identity.model import Account, check_account
from ostiary.store.database import Database
from ostiary.store.people import ACCOUNTS, ATTEMPTS, account_of, find_account
from ostiary.store.sessions import kill_account
from ostiary.store.verdicts import about, lift_in, put_in
from ostiary.trust.verdict import Effect, Kind, Verdict

_DISABLED: Final = "account-disabled"
_SOURCE: Final = "accounts"
_BEFORE: Final = 0.001
"""Seconds; the resolution of the guards."""


class Accounts:
    """The local accounts of this installation."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, account: Account) -> None:
        """`account` exists afterwards; `Refused` when its name is taken or cannot be used."""
        check_account(account.name, account.email, account.groups)
        row = {
            "name": account.name,
            "email": account.email,
            "groups": json.dumps(account.groups),
            "password_hash": account.password_hash,
            "disabled": account.disabled,
            "created": account.created,
        }
        try:
            with self._database.write() as connection:
                connection.execute(insert(ACCOUNTS).values(row))
        except IntegrityError as error:
            raise Refused(
                "account-exists",
                f"there already is an account {account.name!r}",
                "choose another name, or disable that one",
            ) from error

    def find(self, name: str) -> Account | None:
        """The account of that exact name."""
        with self._database.read() as connection:
            return find_account(connection, name)

    def all(self) -> tuple[Account, ...]:
        """Every account, by name."""
        with self._database.read() as connection:
            rows = connection.execute(select(ACCOUNTS).order_by(ACCOUNTS.c.name))
            return tuple(account_of(row) for row in rows.mappings())

    def set_password(self, name: str, password_hash: str) -> None:
        """Sign-in takes the new password from now on; sessions go on."""
        self._set(name, {"password_hash": password_hash})

    def set_groups(self, name: str, groups: Sequence[str]) -> None:
        """Tokens minted from now on carry these groups."""
        check_account(name, "", tuple(groups))
        self._set(name, {"groups": json.dumps(list(groups))})

    def disable(self, name: str, now: float, who: str = "accounts") -> int:
        """Nobody can sign in as `name`, every session of it is dead, no guard lets it pass.

        The number of the newest verdict.
        """
        with self._database.write() as connection:
            _change(connection, name, {"disabled": True})
            kill_account(connection, name, _DISABLED, now)
            # Of two verdicts as severe the older one speaks: the cause, not what came of it.
            since = now - _BEFORE
            verdict = Verdict(uuid4(), Kind.USER, name, Effect.DENY, _DISABLED, _SOURCE, since)
            known = _of_disabling(connection, name)
            return put_in(connection, known[0] if known else verdict, who, _DISABLED, now)

    def enable(self, name: str, now: float, who: str = "accounts") -> int:
        """`name` can sign in again; ended sessions stay ended. The number of the change."""
        with self._database.write() as connection:
            _change(connection, name, {"disabled": False})
            known = _of_disabling(connection, name)
            return max(
                (lift_in(connection, one, who, "account-enabled", now) for one in known), default=0
            )

    def admit(self, counters: Sequence[Counter], now: float) -> float:
        """0, and the attempt is counted as failed until `forgive`; or the seconds to wait.

        Counting first means that many guesses at once are not one guess.
        """
        with self._database.write() as connection:
            seen = {counter.key: _seen(connection, counter) for counter in counters}
            longest = max(wait(counter, *seen[counter.key], now) for counter in counters)
            if longest > 0:
                return longest
            for key, (failures, last) in seen.items():
                fresh = 0 if now - last > FORGET else failures
                connection.execute(delete(ATTEMPTS).where(ATTEMPTS.c.key == key))
                connection.execute(insert(ATTEMPTS).values(key=key, failures=fresh + 1, last=now))
        return 0.0

    def forgive(self, counters: Sequence[Counter]) -> None:
        """The attempt just admitted was a success: the account starts anew, the address by one."""
        with self._database.write() as connection:
            for counter in counters:
                row = ATTEMPTS.c.key == counter.key
                if counter.key.startswith("address "):
                    step = {ATTEMPTS.c.failures: ATTEMPTS.c.failures - 1}
                    connection.execute(change(ATTEMPTS).where(row).values(step))
                else:
                    connection.execute(delete(ATTEMPTS).where(row))

    def sweep(self, now: float) -> None:
        """Counters that no longer matter are gone."""
        with self._database.write() as connection:
            connection.execute(delete(ATTEMPTS).where(ATTEMPTS.c.last < now - FORGET))

    def _set(self, name: str, values: dict[str, Any]) -> None:
        with self._database.write() as connection:
            _change(connection, name, values)


def _of_disabling(connection: Connection, name: str) -> list[Verdict]:
    """What `disable` held against `name`; other verdicts about it are not ours to lift."""
    return [one for one in about(connection, [(Kind.USER, name)]) if one.source == _SOURCE]


def _change(connection: Connection, name: str, values: dict[str, Any]) -> None:
    statement = change(ACCOUNTS).where(ACCOUNTS.c.name == name).values(values)
    if connection.execute(statement).rowcount == 0:
        raise Refused(
            "account-unknown",
            f"there is no account {name!r}",
            "`ostiary user list` names them all",
        )


def _seen(connection: Connection, counter: Counter) -> tuple[int, float]:
    query = select(ATTEMPTS.c.failures, ATTEMPTS.c.last).where(ATTEMPTS.c.key == counter.key)
    row = connection.execute(query).first()
    return (0, 0.0) if row is None else (int(row[0]), float(row[1]))
