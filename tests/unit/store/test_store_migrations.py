"""The migrations lead to exactly the tables that the code declares, once, whoever comes first."""

from __future__ import annotations

import importlib
import pkgutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

import ostiary.store
from ostiary.errors import Refused
from ostiary.store import migrations
from ostiary.store.database import METADATA, Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database.in_folder(tmp_path)
    yield made
    made.close()


def test_the_steps_lead_to_the_tables_of_the_code(database: Database) -> None:
    for module in pkgutil.iter_modules(ostiary.store.__path__):
        importlib.import_module(f"ostiary.store.{module.name}")
    database.create()
    with database.read() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, METADATA) == []


def test_numbers_of_revisions_are_never_reused(database: Database) -> None:
    database.create()
    with database.read() as connection:
        query = "SELECT sql FROM sqlite_master WHERE name = 'revisions'"
        assert "AUTOINCREMENT" in str(connection.scalar(text(query)))


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
