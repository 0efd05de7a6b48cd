"""`risk` in a rule: what it takes, and that a score nobody told never lets anybody in."""

from __future__ import annotations

import pytest

from ostiary.features.access import scores
from ostiary.policy.decide import decide
from ostiary.policy.rules import Allow, Deny, Effect, Inputs, Level, Remedy, Rule
from ostiary.policy.to_rbac import opens_to_all, to_rbac
from ostiary.policy.words import describe


def levels(*rules: Rule) -> tuple[Level, ...]:
    return (Level("route notes", rules),)


CALM = Rule("calm", Effect.ALLOW, public=True, risk=(0, 59))
WILD = Rule("wild", Effect.DENY, risk=(60, 100))
ALL = Rule("all", Effect.ALLOW, public=True)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("< 60", (0, 59)),
        ("<=60", (0, 60)),
        ("> 60", (61, 100)),
        (">= 60", (60, 100)),
        ("< 1", (0, 0)),
        (">= 100", (100, 100)),
    ],
)
def test_a_comparison_is_a_range_of_whole_scores(written: str, meant: tuple[int, int]) -> None:
    assert scores(written) == meant


@pytest.mark.parametrize(
    "written", ["", "60", "= 60", "< 101", "<  6", "< -1", "< 6.5", " < 6", "< 60 ", "<> 6"]
)
def test_nothing_else_is_a_comparison(written: str) -> None:
    with pytest.raises(ValueError, match="write a comparison"):
        scores(written)


@pytest.mark.parametrize("written", ["< 0", "> 100", ">= 0", "<= 100"])
def test_what_never_or_always_holds_says_nothing(written: str) -> None:
    with pytest.raises(ValueError, match="scores go from 0 to 100"):
        scores(written)


@pytest.mark.parametrize(("risk", "passes"), [(0, True), (59, True), (60, False), (None, False)])
def test_an_allow_needs_a_score_that_fits(risk: int | None, passes: bool) -> None:  # noqa: FBT001
    verdict = decide(levels(CALM), Inputs("GET", "/", risk=risk))
    assert isinstance(verdict, Allow) is passes


@pytest.mark.parametrize(("risk", "passes"), [(0, True), (59, True), (60, False), (None, False)])
def test_a_deny_takes_a_missing_score_for_the_worst(risk: int | None, passes: bool) -> None:  # noqa: FBT001
    verdict = decide(levels(ALL, WILD), Inputs("GET", "/", risk=risk))
    assert isinstance(verdict, Allow) is passes


def test_the_refusal_says_what_would_help() -> None:
    verdict = decide(levels(CALM), Inputs("GET", "/", risk=80))
    assert isinstance(verdict, Deny)
    assert [(one.condition, one.remedy) for one in verdict.missing] == [
        ("needs a risk below 60", Remedy.TRUST)
    ]
    assert describe(WILD) == "deny everybody at a risk of 60 or more"


def test_a_rule_that_reads_the_risk_opens_to_nobody_unseen() -> None:
    assert opens_to_all(levels(ALL))
    assert not opens_to_all(levels(CALM))
    assert not opens_to_all(levels(ALL, WILD))
    assert set(to_rbac(levels(CALM), None).policies) == {"anybody"}
