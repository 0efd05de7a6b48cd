"""Who is named when trust was withdrawn: everybody that may still serve without knowing it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from ostiary.app.guards import Guards
from ostiary.store.database import Database
from ostiary.store.verdicts import Verdicts
from ostiary.trust.verdict import Effect, Kind, Verdict

EDGE = "spiffe://test.ostiary/default/default/gateway/main"


@pytest.fixture
def verdicts(tmp_path: Path) -> Iterator[Verdicts]:
    database = Database.in_folder(tmp_path)
    database.create()
    yield Verdicts(database)
    database.close()


async def test_a_proxy_whose_guard_is_away_is_named(verdicts: Verdicts, tmp_path: Path) -> None:
    guards = Guards(verdicts, lambda: {EDGE}, tmp_path / "verdicts.sock")
    one = Verdict(uuid4(), Kind.USER, "ada", Effect.DENY, "left", "test", 1.0)
    receipt = await guards.told(verdicts.put([one], "test", "", 1.0))
    assert (receipt.enforced, receipt.missing) == ((), (EDGE,))


async def test_where_there_is_no_proxy_nobody_is_missing(
    verdicts: Verdicts, tmp_path: Path
) -> None:
    guards = Guards(verdicts, lambda: (), tmp_path / "verdicts.sock")
    receipt = await guards.told(0)
    assert (receipt.enforced, receipt.missing) == ((), ())
