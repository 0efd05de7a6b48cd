"""A rule is found by its line, with its chain, and its words are told apart."""

from __future__ import annotations

from ostiary.waf.rule_text import written

RULES = r"""# a comment
SecRule ARGS|!ARGS:/^a|b$/|REQUEST_COOKIES "@rx \"x" \
    "id:1,phase:2,\
    t:none,t:lowercase,chain"
  SecRule REMOTE_ADDR "!@ipMatch 10.0.0.0/8"

SecAction "id:2,phase:1,pass"
"""


def test_a_rule_has_its_chain() -> None:
    found = written(RULES, 2)
    assert found is not None
    assert found.text.splitlines()[-1].strip().startswith("SecRule REMOTE_ADDR")
    first, second = found.links
    assert first.targets == ("ARGS", "!ARGS:/^a|b$/", "REQUEST_COOKIES")
    assert first.operator == '@rx "x'
    assert first.transforms == ("none", "lowercase")
    assert second.operator == "!@ipMatch 10.0.0.0/8"


def test_an_action_always_holds_and_no_line_between_is_a_rule() -> None:
    found = written(RULES, 7)
    assert found is not None
    assert found.links[0].operator == ""
    assert written(RULES, 1) is None
    assert written(RULES, 3) is None
