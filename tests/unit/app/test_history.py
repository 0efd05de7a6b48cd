"""The history holds what was accepted and what a proxy refused, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from ostiary.app.history import History, content_hash
from ostiary.app.ledger import Ledger
from ostiary.app.pipeline import Revision
from ostiary.compiler.resources import SCOPE, Resource, Snapshot, View
from ostiary.errors import ConfigError, Faults, Place
from ostiary.plan.model import Plan
from ostiary.store.database import Database
from ostiary.store.revisions import KEEP, Revisions

PROXY = "spiffe://test/default/default/gateway/main"
PLACE = Place("gateway.yaml", 7, 3)
SCOPE_OF_A = Resource(SCOPE, "https|a.test", "v1", b"", PLACE)


@pytest.fixture
def revisions(tmp_path: Path) -> Iterator[Revisions]:
    database = Database.in_folder(tmp_path)
    database.create()
    yield Revisions(database)
    database.close()


def revision(name: str) -> Revision:
    view = View(PROXY, {SCOPE: {SCOPE_OF_A.name: SCOPE_OF_A}}, frozenset())
    return Revision(Plan("test", {}, {}, (), {}), Snapshot(name, {PROXY: view}))


async def written(history: History) -> None:
    task = asyncio.create_task(history.run())
    await asyncio.sleep(0.2)
    task.cancel()


async def test_an_accepted_save_is_kept_with_who_took_it(revisions: Revisions) -> None:
    ledger = Ledger(lambda _: None)
    history = History(revisions, ledger)
    ledger.accept(revision("r1"), 1.0)
    history.keep({"gateway.yaml": "one"})
    ledger.acked(PROXY, "r1")
    await written(history)
    newest = revisions.newest()
    assert newest is not None
    assert newest.sources == {"gateway.yaml": "one"}
    assert newest.hash == content_hash({"gateway.yaml": "one"})
    assert ledger.number == newest.number
    assert set(revisions.takers(newest.number)) == {PROXY}


async def test_a_faulty_save_is_said_is_red_and_is_not_kept(revisions: Revisions) -> None:
    said: list[str] = []
    ledger = Ledger(said.append)
    history = History(revisions, ledger)
    ledger.accept(revision("r1"), 1.0)
    history.keep({"gateway.yaml": "one"})
    ledger.reject(Faults([ConfigError("plan.word", "no such word", PLACE, "use another")]))
    await written(history)
    newest = revisions.newest()
    assert newest is not None
    assert newest.sources == {"gateway.yaml": "one"}
    assert [red.code for red in ledger.red()] == ["plan.word"]
    assert "gateway.yaml:7:3: plan.word: no such word" in said[0]


async def test_a_refusal_of_envoy_is_red_at_its_line_and_kept(revisions: Revisions) -> None:
    ledger = Ledger(lambda _: None)
    history = History(revisions, ledger)
    ledger.accept(revision("r1"), 1.0)
    history.keep({"gateway.yaml": "one"})
    ledger.refused(PROXY, (SCOPE_OF_A,), "bad regex")
    ledger.acked(PROXY, "r1")
    await written(history)
    (red,) = ledger.red()
    assert red.place == "gateway.yaml:7:3"
    (refusal,) = revisions.refusals(ledger.number)
    assert refusal.reason == "bad regex"
    assert not revisions.takers(ledger.number)
    without = Revision(Plan("test", {}, {}, (), {}), Snapshot("r2", {}))
    ledger.accept(without, 2.0)
    assert ledger.red() == ()


async def test_the_history_does_not_grow_without_end(revisions: Revisions) -> None:
    for number in range(KEEP + 5):
        revisions.accept(f"old{number}", {"gateway.yaml": str(number)}, float(number))
    ledger = Ledger(lambda _: None)
    history = History(revisions, ledger)
    ledger.accept(revision("r1"), 1.0)
    history.keep({"gateway.yaml": "new"})
    await written(history)
    assert revisions.get(ledger.number - KEEP) is None
    assert revisions.get(ledger.number - KEEP + 1) is not None
