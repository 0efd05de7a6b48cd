"""The site directory in the store: written by the control plane, never stale in `login`.

Each change is a version; only the hosts that changed are written and read, so that the five
thousandth host costs what the first did. `login` asks for the version on each request. Small named
texts live beside it. Fed by `app`; feeds `login`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Column, Integer, String, Table, bindparam, delete, insert, select
from sqlalchemy.engine import Connection

from ostiary.identity.directory import (
    Directory,
    Place,
    read_place,
    read_sign_in,
    write_place,
    write_sign_in,
)
from ostiary.patched import differences
from ostiary.store.database import METADATA, Database

SITE: Final = Table(
    "site",
    METADATA,
    Column("name", String, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("text", String, nullable=False),
)
PLACES: Final = Table(
    "places",
    METADATA,
    Column("pattern", String, primary_key=True),
    Column("version", Integer, nullable=False, index=True),
    Column("text", String),
)
"""`text` is NULL where a host was: a reader must learn that it has gone."""
DIRECTORY: Final = "directory"
TRUST_DOMAIN: Final = "trust_domain"
"""The name under which the control plane puts the trust domain, and `login` finds it."""


@dataclass(frozen=True, slots=True)
class _Known:
    version: int = 0
    places: dict[str, Place] = field(default_factory=dict)
    directory: Directory = field(default_factory=Directory)


class SiteStore:
    """The site directory, and named texts."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known = _Known()

    def put(self, name: str, text: str) -> None:
        """`get(name)` is `text` afterwards; an equal text changes nothing."""
        with self._database.write() as connection:
            version, before = _text(connection, name)
            if before != text:
                _put(connection, name, version + 1, text)

    def get(self, name: str) -> str | None:
        """The text last put under `name`."""
        with self._database.read() as connection:
            return _text(connection, name)[1]

    def put_directory(self, directory: Directory) -> None:
        """`directory()` is this one afterwards, in every process; an equal one changes nothing."""
        places = {place.pattern: place for place in directory.places}
        with self._database.write() as connection:
            known = self._catch_up(connection)
            changed = {
                pattern: places.get(pattern)
                for pattern in differences(places, known.places)
                if places.get(pattern) != known.places.get(pattern)
            }
            if not changed and known.directory.sign_in == directory.sign_in:
                self._known = known
                return
            version = known.version + 1
            _put_places(connection, version, changed)
            _put(connection, DIRECTORY, version, write_sign_in(directory.sign_in))
        self._known = _Known(version, places, directory)

    def directory(self) -> Directory:
        """The directory last put by anybody, an empty one before that."""
        with self._database.read() as connection:
            self._known = known = self._catch_up(connection)
        return known.directory

    def _catch_up(self, connection: Connection) -> _Known:
        known = self._known
        query = select(SITE.c.version).where(SITE.c.name == DIRECTORY)
        version = connection.execute(query).scalar() or 0
        if version == known.version:
            return known
        newer = select(PLACES.c.pattern, PLACES.c.text).where(PLACES.c.version > known.version)
        places = dict(known.places)
        for pattern, text in connection.execute(newer):
            if text is None:
                places.pop(pattern, None)
            else:
                places[pattern] = read_place(text)
        ordered = tuple(places[pattern] for pattern in sorted(places))
        sign_in = read_sign_in(_text(connection, DIRECTORY)[1] or "[]")
        return _Known(version, places, Directory(ordered, sign_in))


def _text(connection: Connection, name: str) -> tuple[int, str | None]:
    query = select(SITE.c.version, SITE.c.text).where(SITE.c.name == name)
    row = connection.execute(query).first()
    return (0, None) if row is None else (int(row[0]), str(row[1]))


def _put(connection: Connection, name: str, version: int, text: str) -> None:
    connection.execute(delete(SITE).where(SITE.c.name == name))
    connection.execute(insert(SITE).values(name=name, version=version, text=text))


def _put_places(connection: Connection, version: int, changed: dict[str, Place | None]) -> None:
    if not changed:
        return
    rows = [
        {
            "pattern": pattern,
            "version": version,
            "text": None if place is None else write_place(place),
        }
        for pattern, place in changed.items()
    ]
    connection.execute(
        delete(PLACES).where(PLACES.c.pattern == bindparam("gone")),
        [{"gone": pattern} for pattern in changed],
    )
    connection.execute(insert(PLACES), rows)
