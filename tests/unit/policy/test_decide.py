"""What `access` means, row by row, and that order never matters."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.policy.decide import NO_RULE, decide
from ostiary.policy.rules import (
    Allow,
    Challenge,
    Deny,
    Effect,
    Identity,
    Inputs,
    Level,
    Remedy,
    Rule,
)

EDITOR = Identity("editor", "Editor@Corp.Example", frozenset({"staff"}))


def rule(effect: str = "allow", name: str = "r", **keys: object) -> Rule:
    return Rule(name, Effect(effect), **keys)  # type: ignore[arg-type]


def route(*rules: Rule) -> tuple[Level, ...]:
    return (Level("route notes", rules),)


def ask(path: str = "/", method: str = "GET", identity: Identity | None = EDITOR) -> Inputs:
    return Inputs(method, path, identity)


def test_no_level_means_nobody() -> None:
    verdict = decide((), ask())
    assert isinstance(verdict, Deny)
    assert verdict.missing[0].remedy == Remedy.OWNER
    assert isinstance(decide((), ask(identity=None)), Deny)


def test_a_level_without_rules_means_nobody() -> None:
    assert isinstance(decide(route(), ask()), Deny)
    assert isinstance(decide(route(), ask(identity=None)), Deny)


def test_an_empty_rule_holds_for_whoever_is_signed_in() -> None:
    assert decide(route(rule()), ask()) == Allow(("r",))
    assert decide(route(rule()), ask(identity=None)) == Challenge()


def test_public_asks_for_nobody() -> None:
    assert decide(route(rule(public=True)), ask(identity=None)) == Allow(("r",))
    narrow = rule(public=True, methods=("GET",), paths=("/a/*",))
    assert decide(route(narrow), ask("/a", identity=None)) == Allow(("r",))
    assert isinstance(decide(route(narrow), ask("/b", identity=None)), Deny)


def test_every_key_of_a_rule_must_hold() -> None:
    both = rule(groups=("staff",), methods=("GET",))
    assert isinstance(decide(route(both), ask()), Allow)
    assert isinstance(decide(route(both), ask(method="POST")), Deny)
    assert isinstance(decide(route(both), ask(identity=replace(EDITOR, groups=frozenset()))), Deny)


def test_a_deny_beats_every_allow() -> None:
    rules = route(rule(public=True), rule("deny", "no", users=("editor",)))
    verdict = decide(rules, ask())
    assert isinstance(verdict, Deny)
    assert (verdict.level, verdict.rule) == ("route notes", "no")


@pytest.mark.parametrize(
    ("keys", "identity"),
    [
        ({"users": ("x",)}, None),
        ({"groups": ("x",)}, None),
        ({"email_domains": ("x",)}, None),
        ({"groups": ("x",)}, replace(EDITOR, groups_known=False)),
        ({"email_domains": ("x",)}, replace(EDITOR, email="")),
        ({"users": ("someone@x",)}, replace(EDITOR, email="")),
    ],
)
def test_an_absent_input_denies_and_never_allows(
    keys: dict[str, tuple[str, ...]], identity: Identity | None
) -> None:
    denying = route(rule(public=True), rule("deny", "no", **keys))
    assert not isinstance(decide(denying, ask(identity=identity)), Allow)
    assert not isinstance(decide(route(rule(**keys)), ask(identity=identity)), Allow)


def test_an_absent_input_denies_only_where_the_rule_could_match() -> None:
    rules = route(rule(public=True), rule("deny", "no", users=("x",), paths=("/admin/*",)))
    assert isinstance(decide(rules, ask("/", identity=None)), Allow)
    assert isinstance(decide(rules, ask("/admin", identity=None)), Challenge)


def test_levels_are_a_conjunction() -> None:
    gateway = Level("gateway main", (rule(name="g", email_domains=("corp.example",)),))
    both = (gateway, *route(rule(name="r", users=("editor",))))
    assert decide(both, ask()) == Allow(("g", "r"))
    verdict = decide(both, ask(identity=replace(EDITOR, email="e@other.example")))
    assert isinstance(verdict, Deny)
    assert verdict.level == "gateway main"


@pytest.mark.parametrize(
    ("pattern", "path", "holds"),
    [
        ("/*", "/", True),
        ("/*", "*", True),
        ("/x", "/x", True),
        ("/x", "/x/", False),
        ("/x", "/X", False),
        ("/x/*", "/x", True),
        ("/x/*", "/x/", True),
        ("/x/*", "/x/y/z", True),
        ("/x/*", "/xy", False),
        ("/", "/x", False),
    ],
)
def test_path_patterns(pattern: str, path: str, holds: bool) -> None:  # noqa: FBT001
    assert isinstance(decide(route(rule(paths=(pattern,))), ask(path)), Allow) is holds


def test_addresses_and_domains_have_no_case_but_names_do() -> None:
    assert isinstance(decide(route(rule(users=("EDITOR@corp.example",))), ask()), Allow)
    assert isinstance(decide(route(rule(email_domains=("CORP.example",))), ask()), Allow)
    assert isinstance(decide(route(rule(email_domains=("example",))), ask()), Deny)
    assert isinstance(decide(route(rule(users=("Editor",))), ask()), Deny)


def test_the_smallest_missing_condition_is_named() -> None:
    rules = route(
        rule(name="far", groups=("ops",), methods=("POST",), paths=("/x",)),
        rule(name="near", groups=("owners", "ops")),
    )
    verdict = decide(rules, ask())
    assert isinstance(verdict, Deny)
    assert verdict.rule == NO_RULE
    (missing,) = verdict.missing
    assert missing.rule == "near"
    assert missing.condition == "needs membership of the group owners or ops"
    assert missing.remedy == Remedy.MEMBERSHIP


def test_no_challenge_where_signing_in_would_not_help() -> None:
    assert isinstance(decide(route(rule(methods=("POST",))), ask(identity=None)), Deny)
    shut = route(rule(), rule("deny", "all", paths=("/",)))
    assert isinstance(decide(shut, ask(identity=None)), Deny)
    torn = (*route(rule(users=("ann",))), Level("service s", (rule(users=("bob",)),)))
    assert isinstance(decide(torn, ask(identity=None)), Deny)
    joined = (*route(rule(users=("ann",))), Level("service s", (rule(users=("b@c.d",)),)))
    assert isinstance(decide(joined, ask(identity=None)), Challenge)


USERS, EMAILS = ("ann", "bob", "ann@x.y"), ("", "ann@x.y", "o@x.y", "o@z", "o@w")
GROUPS, DOMAINS = ("g", "h"), ("x.y", "z")


def _few(values: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...] | None]:
    return st.none() | st.lists(st.sampled_from(values), min_size=1, unique=True).map(tuple)


RULES = st.builds(
    Rule,
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from(list(Effect)),
    st.booleans(),
    _few(USERS),
    _few(GROUPS),
    _few(DOMAINS),
)
LEVELS = st.lists(
    st.builds(Level, st.just("l"), st.lists(RULES, max_size=4).map(tuple)), max_size=2
)


@settings(max_examples=60, deadline=None)
@given(LEVELS)
def test_challenge_says_exactly_whether_somebody_could(levels: list[Level]) -> None:
    verdict = decide(levels, ask(identity=None))
    groups = [frozenset(some) for size in range(3) for some in combinations(GROUPS, size)]
    people = product(("-", *USERS), EMAILS, groups)
    could = any(isinstance(decide(levels, ask(identity=Identity(*who))), Allow) for who in people)
    assert isinstance(verdict, Challenge) == (could and not isinstance(verdict, Allow))


@settings(max_examples=60, deadline=None)
@given(LEVELS, st.randoms(use_true_random=False))
def test_the_order_of_rules_never_matters(levels: list[Level], random: Random) -> None:
    shuffled = [replace(level, rules=tuple(_shuffled(level.rules, random))) for level in levels]
    for identity in (None, EDITOR, Identity("ann", "ann@x.y", frozenset({"g"}))):
        one, two = (decide(some, ask(identity=identity)) for some in (levels, shuffled))
        assert type(one) is type(two)


@settings(max_examples=60, deadline=None)
@given(LEVELS)
def test_what_is_open_to_nobody_known_is_open_to_everybody(levels: list[Level]) -> None:
    """The ground on which `to_rbac` leaves out "and is not signed in"."""
    if isinstance(decide(levels, ask(identity=None)), Allow):
        for who in product(("-", *USERS), EMAILS, [frozenset(), frozenset(GROUPS)], [True, False]):
            assert isinstance(decide(levels, ask(identity=Identity(*who))), Allow)


def _shuffled(rules: tuple[Rule, ...], random: Random) -> list[Rule]:
    made = list(rules)
    random.shuffle(made)
    return made
