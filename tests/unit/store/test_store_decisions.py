"""The decision log on a real SQLite: found by id, bounded by number and age, counted for ever."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ostiary.plan.record import ALLOWS_LOG, DENIALS_LOG, DecisionRecord
from ostiary.store.database import Database
from ostiary.store.decisions import Decisions, Retention

NOW = 1_800_000_000.0


def record(name: str, log: str = DENIALS_LOG, **changes: object) -> DecisionRecord:
    made = DecisionRecord(
        name,
        NOW,
        "spiffe://test.ostiary/default/default/gateway/main",
        log,
        "default/default/notes",
        "0123456789abcdef",
        "notes.localhost",
        "GET",
        "/notes",
        403,
        "ext_authz_denied",
        "unauthorized_details",
        "session",
        "visitor",
        "visitor@example.com",
        ("a", 'quote"and,comma'),
        "notes.localhost",
        "s1",
        "g1",
        "denied",
        "",
        "192.0.2.7",
        0.004,
        "",
        "",
        False,
    )
    return made._replace(**changes)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database.in_folder(tmp_path)
    made.create()
    yield made
    made.close()


def test_a_record_comes_back_as_it_was(database: Database) -> None:
    decisions = Decisions(database)
    kept = record("one", offline=True, duration=1.5)
    decisions.append([kept])
    assert decisions.find("one") == (kept,)
    assert decisions.find("two") == ()


def test_an_id_can_have_a_record_of_each_proxy(database: Database) -> None:
    decisions = Decisions(database)
    edge = record("one")
    mini = record("one", proxy="spiffe://test.ostiary/default/default/service/notes")
    decisions.append([edge, record("other")])
    decisions.append([mini])
    assert decisions.find("one") == (edge, mini)


def test_recent_is_newest_first_and_filtered(database: Database) -> None:
    decisions = Decisions(database)
    decisions.append([record("old"), record("new", ALLOWS_LOG, subject="editor", route="other")])
    assert [one.id for one in decisions.recent(10)] == ["new", "old"]
    assert [one.id for one in decisions.recent(1)] == ["new"]
    assert [one.id for one in decisions.recent(10, denied=True)] == ["old"]
    assert [one.id for one in decisions.recent(10, denied=False)] == ["new"]
    assert [one.id for one in decisions.recent(10, subject="editor")] == ["new"]
    assert [one.id for one in decisions.recent(10, route="other")] == ["new"]


def test_counts_outlive_the_process(database: Database) -> None:
    Decisions(database).append([record("one"), record("two")], dropped=3)
    Decisions(database).append([], dropped=4)
    counts = Decisions(database).counts()
    assert (counts.written, counts.dropped, counts.kept) == (2, 7, 2)


def test_allows_never_push_a_refusal_out(database: Database) -> None:
    decisions = Decisions(database, Retention(denials=2, allows=3), lambda: NOW)
    decisions.append([record("refused")])
    decisions.append([record(f"allowed-{one}", ALLOWS_LOG) for one in range(10)])
    decisions.prune()
    assert [one.id for one in decisions.recent(99, denied=True)] == ["refused"]
    allowed = [one.id for one in decisions.recent(99, denied=False)]
    assert allowed == ["allowed-9", "allowed-8", "allowed-7"]


def test_what_is_too_old_goes(database: Database) -> None:
    decisions = Decisions(database, Retention(seconds=60), lambda: NOW + 100)
    decisions.append([record("old"), record("new", time=NOW + 50)])
    decisions.prune()
    assert [one.id for one in decisions.recent(99)] == ["new"]


def test_a_record_is_written_in_microseconds(database: Database) -> None:
    decisions = Decisions(database)
    batch = [record(f"{one:032x}") for one in range(2_000)]
    best = 1.0
    for _ in range(3):
        start = time.process_time()
        decisions.append(batch)
        best = min(best, (time.process_time() - start) / len(batch))
    assert best < 40e-6  # 6 us where it was written
