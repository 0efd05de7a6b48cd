"""The site directory: written by one process, never stale in another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ostiary.identity.directory import Directory, Place
from ostiary.store.database import Database
from ostiary.store.site import SiteStore

SITE = Directory((Place("a.test", 443, "login.test", ()),))


@pytest.fixture
def database(tmp_path: Path) -> Database:
    made = Database.in_folder(tmp_path)
    made.create()
    return made


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


def test_an_equal_directory_is_not_parsed_again(database: Database) -> None:
    store = SiteStore(database)
    store.put_directory(SITE)
    known = store.directory()
    store.put_directory(SITE)
    assert store.directory() is known
