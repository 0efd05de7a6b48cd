"""A real authority over a real store, and a clock that tests move."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ostiary.authority.issuer import Authority
from ostiary.store.authority import AuthorityStore
from ostiary.store.database import Database
from ostiary.store.seal import Seal

DOMAIN = "demo.ostiary"


class Clock:
    """The time of the machine plus what a test adds."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[AuthorityStore]:
    database = Database.in_folder(tmp_path)
    database.create()
    yield AuthorityStore(database, Seal.in_folder(tmp_path))
    database.close()


@pytest.fixture
def authority(store: AuthorityStore, clock: Callable[[], datetime]) -> Authority:
    return Authority.open(store, DOMAIN, now=clock)
