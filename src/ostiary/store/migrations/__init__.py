"""How the schema came to be: one file a step, run by Alembic in order, never edited afterwards.

A change of a table in this room needs a new file in `versions/` (`down_revision` names the one
before) and `NEWEST` below; a test compares the outcome with the tables as the code declares them.
"""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, MetaData, inspect, text

from ostiary.errors import Refused

NEWEST: Final = "0005"
"""The step that this code was written for."""
_FOLDER: Final = Path(__file__).parent
_ROOM: Final = _FOLDER.parent
_TABLE: Final = "alembic_version"


def migrate(connection: Connection, tables: MetaData) -> None:
    """The schema is the newest; `connection` holds the write lock, so that one process migrates.

    An empty store gets `tables` at once, which a test holds equal to all steps together: loading
    Alembic takes 0.3 s of the first start, and there is nothing to migrate.
    """
    known = inspect(connection).get_table_names()
    if not known:
        _create(connection, tables)
        return
    current = _current(connection) if _TABLE in known else None
    if current != NEWEST:
        upgrade(connection, current)


def upgrade(connection: Connection, current: str | None) -> None:
    """Every step after `current` is done; `Refused` when this code does not know `current`."""
    from alembic import command  # noqa: PLC0415  slow to load, and hardly ever needed
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise Refused(
            "store-newer",
            f"the store has the schema {current}, which this version of Ostiary does not know",
            "run the version that wrote it, or a later one",
        ) from error


def declare() -> None:
    """Every file of the room has declared its tables."""
    for module in pkgutil.iter_modules([str(_ROOM)]):
        importlib.import_module(f"ostiary.store.{module.name}")


def _create(connection: Connection, tables: MetaData) -> None:
    declare()
    tables.create_all(connection)
    column = "version_num VARCHAR(32) NOT NULL PRIMARY KEY"
    connection.execute(text(f"CREATE TABLE {_TABLE} ({column})"))
    connection.execute(text(f"INSERT INTO {_TABLE} VALUES (:step)"), {"step": NEWEST})  # noqa: S608


def _current(connection: Connection) -> str | None:
    found = connection.scalar(text(f"SELECT version_num FROM {_TABLE}"))  # noqa: S608  ours
    return None if found is None else str(found)
