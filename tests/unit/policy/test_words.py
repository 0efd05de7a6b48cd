"""Rules in words."""

from __future__ import annotations

import pytest

from ostiary.policy.rules import Effect, Rule
from ostiary.policy.words import condition, describe, either


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({}, "allow whoever is signed in"),
        ({"public": True, "methods": ("GET", "HEAD")}, "allow everybody to GET or HEAD"),
        ({"groups": ("staff",), "paths": ("/a/*",)}, "allow members of staff below /a"),
        ({"users": ("ann", "bob"), "paths": ("/*",)}, "allow ann or bob anywhere"),
        ({"email_domains": ("x.y",), "paths": ("/a",)}, "allow addresses at x.y at /a"),
    ],
)
def test_a_rule_is_one_sentence(keys: dict[str, tuple[str, ...]], words: str) -> None:
    assert describe(Rule("r", Effect.ALLOW, **keys)) == words  # type: ignore[arg-type]


def test_a_deny_without_names_is_for_everybody() -> None:
    assert describe(Rule("r", Effect.DENY, methods=("POST",))) == "deny everybody to POST"


def test_long_lists_are_cut() -> None:
    assert either([str(n) for n in range(100)]) == "0, 1, 2, 3, 4 or one of 95 more"


def test_each_key_has_words_for_what_it_needs() -> None:
    rule = Rule("r", Effect.ALLOW, False, ("u",), ("g",), ("d",), ("GET",), ("/p",))
    keys = ("identity", "users", "groups", "email_domains", "methods", "paths")
    assert all(condition(rule, key).startswith("needs ") for key in keys)
