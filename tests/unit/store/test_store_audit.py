"""How long the audit log keeps what, on SQLite and on Postgres."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from ostiary.store.database import Database
from ostiary.store.verdicts import Verdicts
from ostiary.trust.verdict import Effect, Kind, Verdict

NOW = 1_800_000_000.0
DAY = 86_400.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Verdicts]:
    database = Database.in_folder(tmp_path)
    database.create()
    yield Verdicts(database)
    database.close()


def put(store: Verdicts, key: str, since: float, ends: float = 0) -> Verdict:
    one = Verdict(uuid4(), Kind.USER, key, Effect.DENY, "left", "tests", since, expires=ends)
    store.put([one], "ada", "why", since)
    return one


def kept(store: Verdicts) -> list[tuple[str, str]]:
    return [(one.deed, one.key) for one in store.audit(100)]


def test_what_was_over_before_goes_and_what_holds_or_ended_since_is_whole(store: Verdicts) -> None:
    put(store, "holds", NOW)
    lifted, late = put(store, "lifted", NOW), put(store, "late", NOW)
    put(store, "expired", NOW, NOW + DAY)
    store.lift([lifted.id], "ada", "why", NOW + DAY)
    store.expire(NOW + 2 * DAY)
    store.lift([late.id], "ada", "why", NOW + 300 * DAY)
    now = NOW + 410 * DAY
    assert store.prune_audit(now - 400 * DAY, now) == 4
    assert kept(store) == [("prune", ""), ("lift", "late"), ("put", "late"), ("put", "holds")]
    said = store.audit(1)[0]
    assert said.who == "ostiary"
    assert said.why.startswith("4 entries from before 2027-01-25 08:00:00 UTC were removed")
    assert store.prune_audit(now - 400 * DAY, now) == 0
    assert len(kept(store)) == 4, "nothing was removed, so nothing is said"


def test_many_go_in_many_transactions_and_the_note_of_it_in_its_turn(store: Verdicts) -> None:
    many = [
        Verdict(uuid4(), Kind.USER, f"u{n}", Effect.DENY, "left", "tests", NOW, expires=NOW + 1)
        for n in range(1200)
    ]
    store.put(many, "ada", "", NOW)
    store.expire(NOW + DAY)
    assert store.prune_audit(NOW + 2 * DAY, NOW + 3 * DAY) == 2400
    assert kept(store) == [("prune", "")]
    assert store.prune_audit(NOW + 4 * DAY, NOW + 5 * DAY) == 1
    assert kept(store) == [("prune", "")]
