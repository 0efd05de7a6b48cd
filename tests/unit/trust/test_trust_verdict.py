"""What a verdict may say, and which of several wins."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.errors import Refused
from ostiary.trust.spelling import rate_of, seconds_of
from ostiary.trust.verdict import Effect, Kind, Verdict, checked, most_severe, risk, standing

NOW = 1_800_000_000.0
ONE = Verdict(UUID(int=1), Kind.USER, "ada", Effect.DENY, "left", "admin", NOW)


@pytest.mark.parametrize(
    ("kind", "key", "becomes"),
    [
        (Kind.ADDRESS, "192.0.2.7", "192.0.2.7"),
        (Kind.ADDRESS, "192.0.2.7/32", "192.0.2.7"),
        (Kind.ADDRESS, "192.0.2.0/24", "192.0.2.0/24"),
        (Kind.ADDRESS, "2001:DB8:0::/32", "2001:db8::/32"),
        (Kind.ADDRESS, "2001:0db8::0001", "2001:db8::1"),
        (Kind.ADDRESS, "::ffff:192.0.2.7", "192.0.2.7"),
        (Kind.ADDRESS, "::ffff:192.0.2.0/120", "192.0.2.0/24"),
        (Kind.ADDRESS, "::/0", "::/0"),
        (Kind.ADDRESS, "0.0.0.0/0", "0.0.0.0/0"),
        (Kind.USER, "Ada Lovelace", "Ada Lovelace"),
        (Kind.TOKEN, "ab" * 32, "ab" * 32),
        (Kind.WORKLOAD, "spiffe://a.example/b/c", "spiffe://a.example/b/c"),
    ],
)
def test_a_key_has_one_form(kind: Kind, key: str, becomes: str) -> None:
    assert checked(replace(ONE, kind=kind, key=key)).key == becomes


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        (Kind.ADDRESS, "192.0.2.7/24"),
        (Kind.ADDRESS, "192.0.2"),
        (Kind.ADDRESS, "fe80::1%eth0"),
        (Kind.ADDRESS, "here"),
        (Kind.TOKEN, "AB" * 32),
        (Kind.TOKEN, "ab" * 31),
        (Kind.WORKLOAD, "spiffe://a.example"),
        (Kind.WORKLOAD, "spiffe://a.example/"),
        (Kind.WORKLOAD, "spiffe://a.example/../b"),
        (Kind.WORKLOAD, "spiffe://a.example/b?c"),
        (Kind.WORKLOAD, "https://a.example/b"),
        (Kind.USER, ""),
        (Kind.USER, "a\nb"),
        (Kind.USER, "é" * 513),
    ],
)
def test_what_names_nothing_is_refused_with_an_example(kind: Kind, key: str) -> None:
    with pytest.raises(Refused) as refused:
        checked(replace(ONE, kind=kind, key=key))
    assert refused.value.code == "verdict-key"
    assert refused.value.hint


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"reason": "Left!"}, "verdict-reason"),
        ({"source": ""}, "verdict-reason"),
        ({"reason": "r" * 65}, "verdict-reason"),
        ({"effect": Effect.SCORE, "score": 101}, "verdict-score"),
        ({"score": -1}, "verdict-score"),
        ({"effect": Effect.LIMIT}, "verdict-rate"),
        ({"effect": Effect.LIMIT, "rate": 1, "per": 0.0001}, "verdict-rate"),
        ({"effect": Effect.LIMIT, "rate": 2**32, "per": 1.0}, "verdict-rate"),
        ({"since": float("nan")}, "verdict-time"),
        ({"expires": float("inf")}, "verdict-time"),
        ({"expires": NOW}, "verdict-expired"),
    ],
)
def test_what_makes_no_sense_is_refused(change: dict[str, object], code: str) -> None:
    with pytest.raises(Refused) as refused:
        checked(replace(ONE, **change))  # type: ignore[arg-type]
    assert refused.value.code == code


def test_the_most_severe_wins_and_scores_never_do() -> None:
    effects = (Effect.SCORE, Effect.LIMIT, Effect.STEP_UP, Effect.DENY)
    ones = [replace(ONE, effect=effect, score=7) for effect in effects]
    assert most_severe([]) is None
    assert most_severe(ones[:1]) is None
    for number in range(2, 5):
        found = most_severe(ones[:number])
        assert found is ones[number - 1]
    first, second = replace(ONE, id=UUID(int=2)), replace(ONE, id=UUID(int=3))
    assert most_severe([first, second]) is first


def test_a_step_up_is_over_for_who_signed_in_since() -> None:
    step = replace(ONE, effect=Effect.STEP_UP)
    assert standing([step], NOW, NOW - 1) is step
    assert standing([step], NOW, NOW) is None
    assert standing([step], NOW, None) is step
    limit = replace(ONE, effect=Effect.LIMIT, rate=1, per=1.0)
    assert standing([limit, step], NOW, NOW + 1) is limit


def test_what_is_over_holds_no_longer() -> None:
    short = replace(ONE, expires=NOW + 10)
    assert standing([short], NOW + 9, None) is short
    assert standing([short], NOW + 10, None) is None


def test_the_highest_score_counts() -> None:
    scores = [replace(ONE, effect=Effect.SCORE, score=score) for score in (5, 40, 12)]
    over = replace(ONE, effect=Effect.SCORE, score=99, expires=NOW + 1)
    assert risk([], NOW) == 0
    assert risk([*scores, over, ONE], NOW + 2) == 40


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15m", 900), ("1h", 3600), ("30d", 2_592_000)]
)
def test_lengths_of_time(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    ("text", "rate"), [("10/m", (10, 60)), ("1/s", (1, 1)), ("5/10s", (5, 10)), ("9/2h", (9, 7200))]
)
def test_rates(text: str, rate: tuple[int, float]) -> None:
    assert rate_of(text) == rate


@given(st.text(max_size=8) | st.sampled_from(["0s", "0/m", "1/0s", "1h30m", "1.5h", "-1s", "1 s"]))
def test_everything_else_is_refused_in_words(text: str) -> None:
    for read in (seconds_of, rate_of):
        try:
            read(text)
        except Refused as error:
            assert repr(text) in error.message  # noqa: PT017  others are fine
