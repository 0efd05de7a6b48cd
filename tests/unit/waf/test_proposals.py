"""Shadow traffic argues for narrow exclusions; what it does not argue for is declined, and why."""

from __future__ import annotations

from typing import Any

import pytest
from traffic_lines import line, log

from ostiary.waf.proposals import Least, Subject, Tuned, tune
from ostiary.waf.traffic import read

COMMENT = Subject("default/default/notes", 942100, "ARGS:comment")


def tuned(*lines: dict[str, Any], **least: int) -> Tuned:
    return tune(read(log(*lines)).entries, Least(**least))


def benign(number: int, **more: Any) -> dict[str, Any]:
    """Somebody writes a comment that looks like SQL."""
    found: dict[str, Any] = {
        "rules": [942100],
        "places": ["ARGS:comment"],
        "client": f"192.0.2.{number % 3}",
        "time": f"2026-11-{20 + number % 2}T10:00:00Z",
    }
    return line(f"/notes/{number}/comments", method="POST", **(found | more))


def attack(**more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "rules": [942100, 941100, 932100],
        "places": ["ARGS:comment", "ARGS:comment", "ARGS:comment"],
        "client": "203.0.113.9",
    }
    return line("/notes/1/comments", **(found | more))


def test_people_who_write_sql_get_the_narrowest_exclusion() -> None:
    found = tuned(*map(benign, range(6)), attack())
    (one,) = found.proposals
    assert one.subject == COMMENT
    assert one.paths == ("/notes/*",)
    assert (one.requests, one.clients, one.days, one.sample) == (6, 3, 2, "a")
    assert (found.stopped, found.left, len(found.attacks)) == (7, 1, 1)
    assert {each.subject.rule for each in found.declined} == {941100, 932100}


def test_a_rule_that_denies_without_a_score_is_tuned_too() -> None:
    lines = [benign(n, score=0, by=942100) for n in range(6)]
    hostile = attack(score=0, by=941100)
    found = tuned(*lines, hostile)
    assert [one.subject for one in found.proposals] == [COMMENT]
    assert (found.stopped, found.left) == (7, 1)
    assert tuned(*(benign(n, score=0, by=949110) for n in range(6))).stopped == 0


@pytest.mark.parametrize(
    ("lines", "because"),
    [
        ([benign(n, client="192.0.2.1") for n in range(9)], "it comes from 1 address only"),
        ([benign(n) for n in range(4)], "only 4 requests, of 5"),
        ([benign(n, code=404) for n in range(9)], "9 were refused by the application"),
        ([benign(n, code=403, action="blocked") for n in range(9)], "only shadow mode shows"),
        ([*(benign(n, client="203.0.113.9") for n in range(9)), attack()], "also sent attacks"),
    ],
    ids=["one-source", "few", "refused", "blocked", "attackers"],
)
def test_what_is_not_proposed_is_told_with_the_reason(
    lines: list[dict[str, Any]], because: str
) -> None:
    found = tuned(*lines)
    assert not found.proposals
    (said,) = [one.because for one in found.declined if one.subject == COMMENT]
    assert because in said


def test_nothing_is_proposed_that_would_let_an_attack_of_the_log_in() -> None:
    """Three kinds of attack, and all three are also seen in benign requests."""
    rules = (942100, 941100, 932100)
    lines = [benign(n, rules=[rule]) for rule in rules for n in range(6)]
    found = tuned(*lines, attack())
    assert not found.proposals
    assert {one.because for one in found.declined} == {"it would let in the attack of line 19"}


def test_elements_of_a_list_are_one_part_and_sums_are_none() -> None:
    rules, places = [942100, 949110], ["ARGS:json.a.array_{}.text", "TX:score"]
    found = tuned(
        *(
            benign(n, rules=rules, places=[places[0].format(n), places[1]], score=5)
            for n in range(6)
        )
    )
    (one,) = found.proposals
    assert one.subject.target == r"ARGS:/^json\.a\.array_\d+\.text$/"
    assert not found.declined


def test_paths_are_exact_where_every_segment_has_a_name() -> None:
    lines = [benign(n) | {"path": path} for n, path in enumerate(["/a/b", "/a/b", "/c"] * 3)]
    (one,) = tuned(*lines).proposals
    assert one.paths == ("/a/b", "/c")
    many = [benign(n) | {"path": f"/a/{chr(97 + n) * 4}/x"} for n in range(8)]
    (one,) = tuned(*many).proposals
    assert one.paths == ("/a/*",)
    both = [benign(n) | {"path": path} for n, path in enumerate(["/n/17", "/n/new", "/n"] * 3)]
    (one,) = tuned(*both).proposals
    assert one.paths == ("/n/*",)
