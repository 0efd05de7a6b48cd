"""How the schema came to be: one file a step, run by Alembic in order, never edited afterwards.

A change of a table in this room needs a new file in `versions/` (`down_revision` names the one
before) and `NEWEST` below; a test compares the outcome with the tables as the code declares them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, text

from ostiary.errors import Refused

NEWEST: Final = "0001"
"""The revision that this code was written for."""
_FOLDER: Final = Path(__file__).parent
_TABLE: Final = "alembic_version"


def migrate(connection: Connection) -> None:
    """The schema is the newest; `connection` holds the write lock, so that one process migrates."""
    current = _current(connection)
    if current == NEWEST:
        return
    # Alembic takes a tenth of a second to load: only where there is something to do.
    from alembic import command  # noqa: PLC0415
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


def _current(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_TABLE):
        return None
    found = connection.scalar(text(f"SELECT version_num FROM {_TABLE}"))  # noqa: S608  ours
    return None if found is None else str(found)
