"""Whoever asks what changed gets the same answer, whether it was noted or has to be found out."""

from __future__ import annotations

import gc
import random
import weakref

from ostiary.patched import Attendance, Patched, differences


class Thing:
    """Told apart by identity, as nouns and routes are."""


def _changed(before: Patched[int, Thing], draw: random.Random) -> Patched[int, Thing]:
    new = {draw.randrange(12): Thing() for _ in range(draw.randrange(3))}
    gone = {key for key in before if draw.random() < 0.1} - new.keys()
    return before.patched(new, sorted(gone))


def test_what_was_noted_is_what_a_comparison_finds() -> None:
    draw = random.Random(2)  # noqa: S311  a test's choice
    now: Patched[int, Thing] = Patched({key: Thing() for key in range(6)})
    earlier = [now]
    for _ in range(200):
        now = _changed(now, draw)
        for then in (earlier[-1], draw.choice(earlier)):
            assert set(differences(now, then)) == set(differences(dict(now), dict(then)))
        earlier.append(now)


def test_a_dictionary_that_was_given_away_stays_as_it_was() -> None:
    before = Patched({"a": 1, "b": 2})
    after = before.patched({"b": 3, "c": 4}, ["a"])
    assert (before, after) == ({"a": 1, "b": 2}, {"b": 3, "c": 4})
    assert before.patched({}) is before


def test_a_changed_key_keeps_its_place() -> None:
    assert list(Patched({"a": 1, "b": 2}).patched({"a": 3, "c": 4})) == ["a", "b", "c"]


def test_nothing_keeps_a_forerunner_alive() -> None:
    before = Patched({"a": Thing()})
    seen = weakref.ref(before["a"])
    after = before.patched({"b": Thing()}, ["a"])
    del before
    gc.collect()
    assert list(after) == ["b"]
    assert seen() is None


def test_attendance_names_who_came_and_who_went() -> None:
    one, two, three = Thing(), Thing(), Thing()
    attendance: Attendance[Thing] = Attendance()
    assert attendance.look([one, two]) == ([one, two], [])
    assert attendance.look([three, one]) == ([three], [two])
    assert attendance.look([one, three]) == ([], [])
