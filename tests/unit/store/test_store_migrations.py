"""The migrations lead to exactly the tables that the code declares, once, whoever comes first."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from ostiary.errors import Refused
from ostiary.store import migrations
from ostiary.store.database import METADATA, Database

sqlite_only = True


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database.in_folder(tmp_path)
    yield made
    made.close()


def schema(database: Database) -> dict[str, str]:
    """Every table and index as SQLite has it."""
    query = text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    with database.read() as connection:
        return {name: " ".join(sql.split()) for name, sql in connection.execute(query)}


def step_by_step(database: Database) -> None:
    with database.write() as connection:
        migrations.upgrade(connection, None)


def test_the_steps_lead_to_the_tables_of_the_code(database: Database) -> None:
    migrations.declare()
    step_by_step(database)
    with database.read() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, METADATA) == []


@pytest.mark.parametrize("first", ["steps", "code"])
def test_both_ways_lead_to_the_same_tables_in_postgres(
    fresh_postgres: Callable[[], str], first: str
) -> None:
    made = Database(fresh_postgres())
    if first == "steps":
        step_by_step(made)
    made.create()
    with made.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    made.close()


def test_an_empty_store_gets_what_the_steps_would_have_made(
    database: Database, tmp_path: Path
) -> None:
    database.create()
    (tmp_path / "other").mkdir()
    other = Database.in_folder(tmp_path / "other")
    step_by_step(other)
    made, stepped = schema(database), schema(other)
    other.close()
    assert set(made) == set(stepped)
    for name in set(made) - {"alembic_version"}:
        # Letter by letter in any order: constraints may stand in another place.
        assert sorted(made[name]) == sorted(stepped[name]), name
    assert "AUTOINCREMENT" in made["revisions"]


def test_an_older_store_is_brought_up_to_date(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
    database.create()
    with database.read() as connection:
        found = connection.scalar(text("SELECT version_num FROM alembic_version"))
    assert found == migrations.NEWEST
    assert "decisions" in schema(database)


def test_the_newest_step_is_the_one_the_code_names() -> None:
    script = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert script.get_heads() == [migrations.NEWEST]


def test_a_second_time_nothing_is_done(database: Database) -> None:
    database.create()
    with database.write() as connection:
        connection.execute(text("INSERT INTO policies VALUES ('h', 'record', 1.0)"))
    database.create()
    with database.read() as connection:
        assert connection.scalar(text("SELECT count(*) FROM policies")) == 1


def test_several_processes_may_come_at_once(tmp_path: Path) -> None:
    problems: list[BaseException] = []

    def create() -> None:
        database = Database.in_folder(tmp_path)
        try:
            database.create()
        except BaseException as error:  # noqa: BLE001  shown below
            problems.append(error)
        finally:
            database.close()

    threads = [threading.Thread(target=create) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


def test_a_store_of_a_later_version_is_refused_in_words(database: Database) -> None:
    database.create()
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Refused, match="9999") as refused:
        database.create()
    assert refused.value.code == "store-newer"
