"""Verdicts, their order and the audit log, on SQLite and on Postgres."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from ostiary.errors import Refused, Unreachable
from ostiary.store.database import Database
from ostiary.store.verdicts import (
    KEPT,
    SESSION_VERDICT_LIFE,
    Verdicts,
    about,
    lift_in,
    put_in,
    session_ended,
)
from ostiary.trust.verdict import Effect, Kind, Verdict

NOW = 1_800_000_000.0


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database.in_folder(tmp_path)
    made.create()
    yield made
    made.close()


@pytest.fixture
def store(database: Database) -> Verdicts:
    return Verdicts(database)


def verdict(key: str, effect: Effect = Effect.DENY, expires: float = 0.0) -> Verdict:
    return Verdict(uuid4(), Kind.USER, key, effect, "left", "tests", NOW, expires)


def put(store: Verdicts, *verdicts: Verdict, now: float = NOW) -> int:
    return store.put(verdicts, "ada", "she asked for it", now)


def test_each_change_has_the_next_number_and_its_entry_in_the_log(store: Verdicts) -> None:
    one, two = verdict("one"), verdict("two")
    assert put(store, one, two) == 2
    assert store.lift([one.id], "bob", "a mistake", NOW + 1) == 3
    found = [(one.seq, one.verdict, one.lifted) for one in store.since(0, 9)]
    assert found == [(2, two, False), (3, one, True)]
    assert [(d.time, d.who, d.deed, d.verdict, d.why) for d in store.audit(9)] == [
        (NOW + 1, "bob", "lift", str(one.id), "a mistake"),
        (NOW, "ada", "put", str(two.id), "she asked for it"),
        (NOW, "ada", "put", str(one.id), "she asked for it"),
    ]
    assert [one.verdict for one in store.audit(9, str(two.id))] == [str(two.id)]
    assert store.all(NOW) == [two]


def test_the_same_again_changes_nothing_and_another_replaces_it(store: Verdicts) -> None:
    first = verdict("one")
    assert put(store, first) == 1
    assert put(store, first) == 1
    milder = Verdict(first.id, first.kind, "one", Effect.STEP_UP, "left", "tests", NOW)
    assert put(store, milder) == 2
    assert store.all(NOW) == [milder]
    assert len(store.audit(9)) == 2
    assert store.lift([first.id], "ada", "", NOW) == 3
    assert store.lift([first.id], "ada", "", NOW) == 3
    assert put(store, first) == 4
    assert store.all(NOW) == [first]


def test_an_id_belongs_to_one_key(store: Verdicts) -> None:
    first = verdict("one")
    put(store, first)
    other = Verdict(first.id, first.kind, "two", Effect.DENY, "left", "tests", NOW)
    with pytest.raises(Refused) as refused:
        put(store, other)
    assert refused.value.code == "verdict-other"
    assert store.all(NOW) == [first]


def test_who_lifts_what_is_not_there_lifts_nothing(store: Verdicts) -> None:
    known = verdict("one")
    put(store, known)
    with pytest.raises(Refused) as refused:
        store.lift([known.id, UUID(int=7)], "ada", "", NOW)
    assert refused.value.code == "verdict-unknown"
    assert store.all(NOW) == [known]


def test_a_verdict_that_makes_no_sense_leaves_everything_as_it_was(store: Verdicts) -> None:
    bad = Verdict(uuid4(), Kind.ADDRESS, "here", Effect.DENY, "left", "tests", NOW)
    with pytest.raises(Refused):
        put(store, verdict("one"), bad)
    assert store.all(NOW) == []
    assert store.order().seq == 0


def test_the_order_is_made_once_and_survives(store: Verdicts, database: Database) -> None:
    order = store.order()
    assert (order.seq, order.forgotten) == (0, 0)
    assert len(order.epoch) == 32
    put(store, verdict("one"))
    again = Database(database.url)
    assert Verdicts(again).order() == type(order)(order.epoch, 1, 0)
    again.close()


def test_what_is_over_is_lifted_once_and_forgotten_a_day_later(store: Verdicts) -> None:
    short, long = verdict("one", expires=NOW + 60), verdict("two")
    put(store, short, long)
    assert not store.expire(NOW + 59)
    assert store.all(NOW + 61) == [long]
    assert store.expire(NOW + 60)
    assert not store.expire(NOW + 61)
    assert [(d.who, d.deed) for d in store.audit(1)] == [("ostiary", "expire")]
    assert [one.lifted for one in store.since(2, 9)] == [True]
    assert not store.expire(NOW + 60 + KEPT + 1)
    order, held = store.snapshot()
    assert (order.seq, order.forgotten, held) == (3, 3, [long])
    assert store.since(2, 9) == []
    assert store.find(short.id) is None


def test_a_transaction_that_fails_gives_no_verdict(store: Verdicts, database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.write() as connection:  # noqa: PT012
        put_in(connection, verdict("one"), "ada", "", NOW)
        raise ZeroDivisionError
    assert store.all(NOW) == []
    assert store.audit(9) == []


def test_within_a_transaction_verdicts_are_seen_by_key(store: Verdicts, database: Database) -> None:
    with database.write() as connection:
        assert session_ended(connection, "sid", "signed-out", NOW, "login") == 1
        (found,) = about(connection, [(Kind.USER, "sid"), (Kind.SESSION, "sid")])
        assert (found.effect, found.reason) == (Effect.DENY, "signed-out")
        assert found.expires == NOW + SESSION_VERDICT_LIFE
        lift_in(connection, found, "ada", "", NOW)
        assert about(connection, [(Kind.SESSION, "sid")]) == []
    assert store.order().seq == 2


def test_the_list_can_be_asked_for_one_key(store: Verdicts) -> None:
    one, two = verdict("one"), verdict("two")
    put(store, one, two)
    assert store.all(NOW, Kind.USER) == [two, one]
    assert store.all(NOW, Kind.USER, "one") == [one]
    assert store.all(NOW, Kind.SESSION) == []


def test_writers_at_once_leave_no_gap_that_a_reader_could_fall_into(
    store: Verdicts, database: Database
) -> None:
    """What is committed later has a higher number, so `since` never misses anything."""
    seen: list[int] = []
    done = threading.Event()

    def write() -> None:
        own = Database(database.url)
        for _ in range(15):
            Verdicts(own).put([verdict("x")], "ada", "", NOW)
        own.close()

    def read() -> None:
        own = Database(database.url)
        while True:
            last = done.is_set()
            seen.extend(one.seq for one in Verdicts(own).since(seen[-1] if seen else 0, 100))
            if last:
                break
        own.close()

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write) for _ in range(4)]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()
    assert seen == list(range(1, 61))


def test_ten_thousand_in_one_transaction_take_less_than_their_second(store: Verdicts) -> None:
    many = [verdict(f"user-{number}") for number in range(10_000)]
    begun = time.monotonic()
    assert put(store, *many) == 10_000
    assert time.monotonic() - begun < 3  # 0.5 s alone; the machine may be busy
    assert len(store.snapshot()[1]) == 10_000


def test_a_postgres_that_throws_everybody_out_is_away_once_and_then_back(
    fresh_postgres: Callable[[], str],
) -> None:
    database = Database(fresh_postgres())
    database.create()
    store = Verdicts(database)
    put(store, verdict("one"))
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    ours = f"{others} AND datname = current_database()"
    killer = Database(database.url)
    with pytest.raises(Unreachable), database.write() as connection:  # noqa: PT012
        put_in(connection, verdict("two"), "ada", "", NOW)
        with killer.read() as other:
            other.exec_driver_sql(ours)
    assert [one.key for one in store.all(NOW)] == ["one"]
    with killer.read() as other:
        other.exec_driver_sql(ours)
    assert put(store, verdict("three")) == 2
    killer.close()
    database.close()


def test_a_store_that_is_not_there_is_said_so_in_words(tmp_path: Path) -> None:
    for url in ("mysql://a/b", "nonsense", "oracle+x://y"):
        with pytest.raises(Refused) as refused:
            Database(url)
        assert refused.value.code == "store-url"
    away = Database("postgresql+psycopg://nobody@127.0.0.1:1/none")
    with pytest.raises(Unreachable), away.read():
        pass
    away.close()
