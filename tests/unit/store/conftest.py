"""Every test of this room that opens a store runs on SQLite and on a real Postgres."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ostiary.store.database import Database

_ON_SQLITE_ONLY = "sqlite_only"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test on each database; a module that says `sqlite_only = True` looks into the file."""
    if getattr(metafunc.module, _ON_SQLITE_ONLY, False):
        return
    if "database" in metafunc.fixturenames or "store_url" in metafunc.fixturenames:
        on_postgres = pytest.param("postgres", marks=pytest.mark.services)
        metafunc.parametrize("backend", ["sqlite", on_postgres], indirect=True)


@pytest.fixture(autouse=True)
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With Postgres, `Database.in_folder` means a database of its own for each folder."""
    name = str(getattr(request, "param", "sqlite"))
    if name == "postgres":
        fresh: Callable[[], str] = request.getfixturevalue("fresh_postgres")
        urls: dict[Path, str] = {}

        def in_folder(folder: Path) -> Database:
            if folder not in urls:
                urls[folder] = fresh()
            return Database(urls[folder])

        monkeypatch.setattr(Database, "in_folder", in_folder)
    return name
