"""Accepted revisions on a real SQLite: numbered once, accepted and refused by proxies, pruned."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ostiary.store.database import Database
from ostiary.store.revisions import Refusal, Revisions

EDGE = "spiffe://test.ostiary/default/default/gateway/main"


@pytest.fixture
def revisions(tmp_path: Path) -> Iterator[Revisions]:
    database = Database.in_folder(tmp_path)
    database.create()
    yield Revisions(database)
    database.close()


def test_a_first_start_has_no_revision(revisions: Revisions) -> None:
    assert revisions.newest() is None
    assert revisions.get(1) is None


def test_the_newest_sources_come_back_whole(revisions: Revisions) -> None:
    sources = {"b.yaml": "routes: {}\n", "a.yaml": "# Grüße\n"}
    first = revisions.accept("h1", {"a.yaml": ""}, 1.0)
    second = revisions.accept("h2", sources, 2.0)
    assert (first.number, second.number) == (1, 2)
    assert revisions.newest() == second
    assert second.sources == sources
    assert revisions.get(1) == first


def test_saving_the_same_again_is_no_new_revision(revisions: Revisions) -> None:
    first = revisions.accept("h1", {"a.yaml": ""}, 1.0)
    assert revisions.accept("h1", {"a.yaml": ""}, 2.0) == first
    assert revisions.accept("h2", {}, 3.0).number == 2
    assert revisions.accept("h1", {"a.yaml": ""}, 4.0).number == 3  # back again is a change


def test_a_number_is_never_used_twice(revisions: Revisions) -> None:
    for number in range(5):
        revisions.accept(f"h{number}", {}, 1.0)
    revisions.prune(keep=0)
    assert revisions.newest() is None
    assert revisions.accept("h9", {}, 1.0).number == 6


def test_pruning_keeps_the_newest_with_their_history(revisions: Revisions) -> None:
    for number in range(5):
        made = revisions.accept(f"h{number}", {}, 1.0)
        revisions.taken(made.number, EDGE, 2.0)
    revisions.prune(keep=2)
    assert revisions.get(3) is None
    assert revisions.takers(3) == {}
    assert revisions.takers(4) == {EDGE: 2.0}


def test_a_refusal_stands_until_the_proxy_takes_the_revision(revisions: Revisions) -> None:
    number = revisions.accept("h1", {}, 1.0).number
    first = Refusal(EDGE, "scope/notes", "site.yaml:3:1", "bad regex", 2.0)
    again = Refusal(EDGE, "scope/notes", "site.yaml:3:1", "still bad", 3.0)
    other = Refusal(EDGE, "scope/mail", "site.yaml:9:1", "bad too", 2.5)
    for refusal in (first, again, other):
        revisions.refused(number, refusal)
    assert revisions.refusals(number) == (other, again)
    revisions.taken(number, EDGE, 4.0)
    revisions.taken(number, EDGE, 5.0)
    assert revisions.refusals(number) == ()
    assert revisions.takers(number) == {EDGE: 5.0}


def test_policy_records_are_kept_under_their_hash_for_ever(revisions: Revisions) -> None:
    revisions.save_policy("p1", "first", 1.0)
    revisions.save_policies({"p1": "changed?", "p2": "second"}, 2.0)
    assert revisions.policy("p1") == "first"
    assert revisions.policy("p2") == "second"
    assert revisions.policy("p3") is None
    revisions.prune(keep=0)
    assert revisions.policy("p1") == "first"
