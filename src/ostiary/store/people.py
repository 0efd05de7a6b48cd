"""The tables of people and their sessions, and how a row becomes a value.

Fed by nobody; feeds `accounts` and `sessions`, which own what happens to the rows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Boolean, Column, Float, Index, Integer, LargeBinary, String, Table, select
from sqlalchemy.engine import Connection

from ostiary.identity.model import Account
from ostiary.store.database import METADATA

ACCOUNTS: Final = Table(
    "accounts",
    METADATA,
    Column("name", String, primary_key=True),
    Column("email", String, nullable=False),
    Column("groups", String, nullable=False),
    Column("password_hash", String, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("created", Float, nullable=False),
)
ATTEMPTS: Final = Table(
    "attempts",
    METADATA,
    Column("key", String, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last", Float, nullable=False),
)
SESSIONS: Final = Table(
    "sessions",
    METADATA,
    Column("sid", String, primary_key=True),
    Column("account", String, nullable=False, index=True),
    Column("provider", String, nullable=False),
    Column("assurance", String, nullable=False),
    Column("created", Float, nullable=False),
    Column("last_used", Float, nullable=False),
    Column("dead", String),
)
HANDLES: Final = Table(
    "handles",
    METADATA,
    Column("family", String, primary_key=True),
    Column("sid", String, nullable=False, index=True),
    Column("host", String, nullable=False),
    Column("current", String, nullable=False),
    Column("used", Float, nullable=False),
    Column("previous", String),
    Column("replaced", Float),
    Column("successor", LargeBinary, nullable=False),
)
CODES: Final = Table(
    "codes",
    METADATA,
    Column("digest", String, primary_key=True),
    Column("sid", String, nullable=False),
    Column("host", String, nullable=False),
    Column("start", String, nullable=False),
    Column("to", String, nullable=False),
    Column("begun", Float, nullable=False),
    Column("created", Float, nullable=False),
    Column("used", Float),
    Index("codes_of_session", "sid", "host"),
)


def find_account(connection: Connection, name: str) -> Account | None:
    """The account of that exact name, within a transaction."""
    row = connection.execute(select(ACCOUNTS).where(ACCOUNTS.c.name == name)).mappings().first()
    return None if row is None else account_of(row)


def account_of(row: Mapping[Any, Any]) -> Account:
    """The account in a row of `ACCOUNTS`."""
    return Account(
        name=row["name"],
        email=row["email"],
        groups=tuple(json.loads(row["groups"])),
        created=row["created"],
        disabled=row["disabled"],
        password_hash=row["password_hash"],
    )
