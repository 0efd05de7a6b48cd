"""The site directory: written by one process, never stale in another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from ostiary.identity.directory import Directory, Place
from ostiary.store.database import Database
from ostiary.store.site import PLACES, SiteStore

SITE = Directory((Place("a.test", 443, "login.test", ()),))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database.in_folder(tmp_path)
    made.create()
    yield made
    made.close()


def test_a_text_reads_back(database: Database) -> None:
    store = SiteStore(database)
    assert store.get("x") is None
    store.put("x", "one")
    store.put("x", "two")
    assert store.get("x") == "two"


def test_before_the_first_revision_there_is_no_host(database: Database) -> None:
    assert SiteStore(database).directory() == Directory()


def test_another_process_sees_a_new_directory_at_once(database: Database) -> None:
    writer, reader = SiteStore(database), SiteStore(database)
    writer.put_directory(SITE)
    assert reader.directory() == SITE
    again = replace(SITE, places=(*SITE.places, Place("b.test", 443, "login.test", ())))
    writer.put_directory(again)
    assert reader.directory() == again


def test_a_host_that_went_is_gone_for_everybody_and_may_come_back(database: Database) -> None:
    writer, reader = SiteStore(database), SiteStore(database)
    writer.put_directory(SITE)
    assert reader.directory() == SITE
    writer.put_directory(Directory())
    assert reader.directory() == Directory()
    SiteStore(database).put_directory(SITE)  # another process writes
    assert reader.directory() == writer.directory() == SITE


def test_only_what_changed_is_written(database: Database) -> None:
    store = SiteStore(database)
    places = tuple(Place(f"{n:03}.test", 443, "login.test", ()) for n in range(50))
    store.put_directory(Directory(places))
    moved = replace(places[7], port=8443)
    store.put_directory(Directory((*places[:7], moved, *places[8:])))
    with database.read() as connection:
        versions = connection.execute(select(PLACES.c.pattern, PLACES.c.version)).all()
    assert [pattern for pattern, version in versions if version == 2] == ["007.test"]
    assert SiteStore(database).directory().place("007.test") == moved


def test_an_equal_directory_is_not_parsed_again(database: Database) -> None:
    store = SiteStore(database)
    store.put_directory(SITE)
    known = store.directory()
    store.put_directory(SITE)
    assert store.directory() is known
