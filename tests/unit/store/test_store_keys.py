"""Signing keys: sealed, published before use, retired before forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ostiary.errors import Refused
from ostiary.store.database import Database
from ostiary.store.keys import Keys
from ostiary.store.seal import Seal


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database.in_folder(tmp_path)
    made.create()
    yield made
    made.close()


@pytest.fixture
def keys(database: Database) -> Keys:
    return Keys(database, Seal(b"k" * 32))


def test_there_is_no_key_before_the_first(keys: Keys) -> None:
    with pytest.raises(Refused) as refused:
        keys.current()
    assert refused.value.code == "no-signing-key"
    assert keys.published() == ()


def test_the_first_call_makes_a_current_and_a_next_key_and_no_call_more(keys: Keys) -> None:
    keys.ensure(1.0)
    current, published = keys.current(), keys.published()
    assert len(published) == 2
    assert current in published
    keys.ensure(2.0)
    assert (keys.current(), keys.published()) == (current, published)


def test_rotation_uses_only_what_was_published_before(keys: Keys) -> None:
    keys.ensure(1.0)
    before, was_current = keys.published(), keys.current()
    keys.promote(2.0)
    assert keys.current() in before
    assert keys.current() != was_current
    assert was_current in keys.published()
    assert len(keys.published()) == 3
    keys.forget_retired(before=2.0)
    assert was_current in keys.published()
    keys.forget_retired(before=2.1)
    assert was_current not in keys.published()
    assert len(keys.published()) == 2


def test_another_process_reads_the_same_keys(keys: Keys, database: Database) -> None:
    keys.ensure(1.0)
    other = Keys(database, Seal(b"k" * 32))
    assert other.current() == keys.current()
    keys.promote(2.0)
    assert other.current() == keys.current()


def test_the_wrong_state_key_opens_nothing(keys: Keys, database: Database) -> None:
    keys.ensure(1.0)
    with pytest.raises(Refused) as refused:
        Keys(database, Seal(b"x" * 32)).current()
    assert refused.value.code == "seal-broken"


def test_no_private_key_is_in_the_database_file(
    keys: Keys, database: Database, tmp_path: Path
) -> None:
    keys.ensure(1.0)
    database.close()
    raw = b"".join(file.read_bytes() for file in tmp_path.glob("ostiary.db*"))
    assert b"PRIVATE KEY" not in raw
    assert "PRIVATE" not in repr(keys.current())
