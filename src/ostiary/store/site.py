"""Words that one process writes and another reads: a small table of named JSON texts.

The control plane writes the site directory here before any proxy gets the revision that needs it;
`login` reads it on each request, by version, so that it is never behind. Each put is one version.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Integer, String, Table, delete, insert, select

from ostiary.identity.directory import Directory, load
from ostiary.store.database import METADATA, Database

SITE: Final = Table(
    "site",
    METADATA,
    Column("name", String, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("text", String, nullable=False),
)
DIRECTORY: Final = "directory"
TRUST_DOMAIN: Final = "trust_domain"
"""The name under which the control plane puts the trust domain, and `login` finds it."""


class SiteStore:
    """Named texts, and the site directory among them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: tuple[int, Directory] = (0, Directory())

    def put(self, name: str, text: str) -> None:
        """`get(name)` is `text` afterwards; an equal text changes nothing."""
        with self._database.write() as connection:
            query = select(SITE.c.version, SITE.c.text).where(SITE.c.name == name)
            row = connection.execute(query).first()
            if row is not None and row[1] == text:
                return
            version = 1 if row is None else int(row[0]) + 1
            connection.execute(delete(SITE).where(SITE.c.name == name))
            connection.execute(insert(SITE).values(name=name, version=version, text=text))

    def get(self, name: str) -> str | None:
        """The text last put under `name`."""
        with self._database.read() as connection:
            return connection.execute(select(SITE.c.text).where(SITE.c.name == name)).scalar()

    def put_directory(self, directory: Directory) -> None:
        """`directory()` is this one afterwards, in every process."""
        self.put(DIRECTORY, directory.dump())

    def directory(self) -> Directory:
        """The directory last put, an empty one before that; parsed once a version."""
        with self._database.read() as connection:
            query = select(SITE.c.version).where(SITE.c.name == DIRECTORY)
            version = connection.execute(query).scalar() or 0
            known, directory = self._known
            if version == known:
                return directory
            row = connection.execute(
                select(SITE.c.version, SITE.c.text).where(SITE.c.name == DIRECTORY)
            ).one()
        self._known = (int(row[0]), load(row[1]))
        return self._known[1]
