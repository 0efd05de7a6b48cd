"""The database behind every table: SQLite (WAL) by default, Postgres by URL.

A `Database` is synchronous and thread-safe; shells call it from worker threads. Tables register
themselves on `METADATA`. Fed by `app`; feeds the other files of this room.

A file that was taken away under us counts as a store that does not answer: SQLite itself would go
on writing to what nobody can open any more.

Writers come one after the other on both: SQLite has one write lock, and on Postgres a transaction
holds the same advisory lock, so that what is read before it writes is still true when it commits.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, MetaData, create_engine, event
from sqlalchemy.engine import Engine
from sqlalchemy.engine.url import make_url
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DisconnectionError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as NoRoom

from ostiary.errors import Refused, Unreachable
from ostiary.store.migrations import migrate

METADATA: Final = MetaData()
_PATIENCE: Final = 5.0
"""Seconds to wait for somebody else's transaction."""
_PAUSE: Final = 0.01
_LINE: Final = {
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""Of libpq: a server whose machine is gone is given up after some ten seconds, not two hours."""
_LOCK: Final = 0x6F737469
"""Of our writers, among the advisory locks of a Postgres database."""


class Database:
    """Connections to one database; `read()` and `write()` are transactions."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine = _engine(url)

    @classmethod
    def in_folder(cls, state: Path) -> Database:
        """The embedded database of a state directory (created 0600)."""
        file = state / "ostiary.db"
        if not file.exists():
            file.touch(mode=0o600)
        return cls(f"sqlite:///{file}")

    @classmethod
    def at(cls, url: str, state: Path) -> Database:
        """The database of `url`; the embedded one of `state` when it is empty."""
        return cls(url) if url else cls.in_folder(state)

    @property
    def shared(self) -> bool:
        """Whether others than the processes of this machine may write to it."""
        return self._engine.dialect.name != "sqlite"

    def create(self) -> None:
        """All tables exist afterwards, at the newest schema; safe for several processes at once."""
        with self.write() as connection:
            migrate(connection, METADATA)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for queries."""
        try:
            with self._engine.connect() as connection:
                yield connection
        except (DatabaseError, InterfaceError, NoRoom) as error:
            if not _is_away(error):
                raise
            raise _unreachable(error) from error

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that holds the write lock; commits on leaving, rolls back on error."""
        try:
            with (
                self._engine.connect().execution_options(ostiary_write=True) as connection,
                connection.begin(),
            ):
                if self.shared:
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
                yield connection
        except (DatabaseError, InterfaceError, NoRoom) as error:
            if not _is_away(error):
                raise
            raise _unreachable(error) from error

    def close(self) -> None:
        """No connection is left open."""
        self._engine.dispose()


def _engine(url: str) -> Engine:
    engine = _made(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        if engine.url.database not in {None, "", ":memory:"}:
            _stay_with_the_file(engine, Path(str(engine.url.database)))
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _made(url: str) -> Engine:
    hint = "for example postgresql+psycopg://ostiary@db.internal/ostiary"
    try:
        backend = make_url(url).get_backend_name()
        if backend == "sqlite":
            return create_engine(url)
        if backend != "postgresql":
            raise Refused("store-url", f"a store cannot be in {backend}", hint)
        seconds = f"-c lock_timeout={_PATIENCE:.0f}s"
        limits = {"connect_timeout": int(_PATIENCE), "options": seconds, **_LINE}
        return create_engine(url, pool_pre_ping=True, connect_args=limits)
    except (ArgumentError, NoSuchModuleError) as error:
        raise Refused("store-url", "the store's URL cannot be read", hint) from error
    except ModuleNotFoundError as error:
        raise Refused(
            "store-driver",
            f"a store in Postgres needs the Python package {error.name}",
            'install it with Ostiary: pip install "ostiary[postgres]"',
        ) from error


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # SQLAlchemy says BEGIN itself, below
    connection.execute(f"PRAGMA busy_timeout={_PATIENCE * 1000:.0f}")
    _write_ahead(connection)
    for pragma in ("synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _write_ahead(connection: sqlite3.Connection) -> None:
    """The file has a write-ahead log: the first switch needs a lock that SQLite does not wait for.

    The control plane and `login` both come to an empty store at the same moment.
    """
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    # A reader that turns writer can deadlock with another; a writer therefore locks at once.
    write = connection.get_execution_options().get("ostiary_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _stay_with_the_file(engine: Engine, file: Path) -> None:
    """Whoever uses a connection of `engine` reads and writes what is at `file` now."""
    seen = False

    def there() -> tuple[int, int]:
        try:
            found = file.stat()
        except OSError as error:
            raise sqlite3.OperationalError(f"{file}: {error.strerror}") from error
        return found.st_dev, found.st_ino

    def connect(_dialect: Any, _record: Any, _words: Any, _named: Any) -> None:
        if seen:  # an empty file in its place would be another store
            there()

    def connected(_connection: Any, record: Any) -> None:
        nonlocal seen
        seen, record.info["file"] = True, there()

    def taken(_connection: Any, record: Any, _proxy: Any) -> None:
        if record.info["file"] != there():
            raise DisconnectionError(f"{file} is another one now")

    event.listen(engine, "do_connect", connect)
    event.listen(engine, "connect", connected)
    event.listen(engine, "checkout", taken)


def _is_away(error: DatabaseError | InterfaceError | NoRoom) -> bool:
    """Whether the store itself is at fault, and not a statement of ours."""
    # Of a file that it cannot make sense of SQLite says DatabaseError itself, none of its kinds.
    of_the_store = isinstance(error, OperationalError | InterfaceError | NoRoom)
    return of_the_store or type(error) is DatabaseError


def _unreachable(error: DatabaseError | InterfaceError | NoRoom) -> Unreachable:
    return Unreachable(
        "store-unreachable",
        f"the store did not answer: {getattr(error, 'orig', error)}",
        "check that the state directory is there and writable, or the database URL",
    )
