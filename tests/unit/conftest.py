"""Servers that several rooms' tests need."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import servers


@pytest.fixture(scope="session")
def fresh_postgres() -> Iterator[Callable[[], str]]:
    """Call it for the URL of an empty Postgres database."""
    programs = servers.postgres_programs()
    if programs is None:
        pytest.skip("NO POSTGRES HERE: what a store by URL does was not tested")
    with servers.postgres(programs) as fresh:
        yield fresh


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """A server for news between control planes."""
    program = servers.valkey_program()
    if program is None:
        pytest.skip("NO VALKEY OR REDIS HERE: the fan-out was not tested")
    with servers.valkey(program) as url:
        yield url
