"""`waf`: how levels combine, what loosens, which exclusions reach which rules, and until when."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from shelf import Shelf

from ostiary.errors import Faults
from ostiary.features.fragment import Bounds
from ostiary.features.waf import Inspection
from ostiary.language.read import Reader
from ostiary.language.tree import RuleText, Tree
from ostiary.plan.effective import effective
from ostiary.plan.model import Plan
from ostiary.plan.resolve import Resolver
from ostiary.sources.yaml_tree import parse

DOCUMENT = """\
gateway: {{https: {{port: 8443, hosts: ["*.localhost"]}}{gateway}}}
identity: {{providers: {{local: {{}}}}}}
services: {{notes: {{at: ["127.0.0.1:9001"]{service}}}}}
routes:
  notes: {{host: notes.localhost, path: /notes/*, to: notes, access: public{route}}}
  other: {{host: other.localhost, to: notes, login: true, access: [{{allow: {{}}}}]}}
"""
RULES = {
    "crs": RuleText((("crs/942.conf", "942100 attack-sqli\n942110 attack-sqli\n"),)),
    "own": RuleText((("own/a.conf", "77 mine\n"),)),
    "bad": RuleText((("bad.conf", "1 x\nSecNonsense\n"),)),
}
TODAY = date(2026, 6, 1)


def trees(**parts: str) -> list[Tree]:
    text = DOCUMENT.format(**{"gateway": "", "service": "", "route": "", **parts})
    return [replace(one, rules=RULES) for one in parse("site.yaml", text.encode())]


def plan(*, today: date = TODAY, saved: bool = True, **parts: str) -> Plan:
    levels = {level: f", waf: {block}" for level, block in parts.items()}
    document = Reader().read(trees(**levels))
    return Resolver(guard=True, book=Shelf()).resolve(document, today, saved=saved)


def block(name: str = "notes", **parts: Any) -> Inspection:
    found = next(route for route in plan(**parts).routes if route.key.name == name).blocks["waf"]
    assert isinstance(found, Inspection)
    return found


def faults(**parts: Any) -> list[tuple[str, str]]:
    with pytest.raises(Faults) as caught:
        plan(**parts)
    return [(fault.code, str(fault.place).partition(":")[2]) for fault in caught.value.faults]


def codes(**parts: Any) -> list[str]:
    return [code for code, _ in faults(**parts)]


def test_rules_of_all_levels_hold_together_and_the_strictest_wins() -> None:
    made = block(
        gateway="{rules: core, threshold: 10, paranoia: 1, body_limit: 1MiB}",
        service="{rules: crs, threshold: 7, mode: block}",
        route="{paranoia: 3, body_limit: 64KiB, response: on, budget: 200000}",
    )
    assert made.rules == {"core": ["gateway main"], "crs": ["service notes"]}
    assert (made.paranoia, made.threshold, made.mode) == (3, 7, "block")
    assert (made.body_limit, made.response, made.budget) == (64 << 10, True, 200_000)
    assert made.rule_set.core
    assert made.rule_set.packed


def test_the_scores_of_answers_and_the_end_of_the_budget_only_get_stricter() -> None:
    assert (block(route="{}").response_threshold, block(route="{}").exhausted) == (4, "block")
    upper = "{response_threshold: 8, exhausted: flag}"
    made = block(gateway=upper, route="{response_threshold: 5, exhausted: score}")
    assert (made.response_threshold, made.exhausted) == (5, "score")
    loose = "{response_threshold: 9, exhausted: flag}"
    assert codes(gateway="{exhausted: score}", route="{exhausted: flag}") == ["plan.loosened"]
    assert codes(service="{rules: core}", route=loose) == ["plan.loosened"] * 2


def test_what_a_gateway_shares_demands_no_rules() -> None:
    shared = "{strangers: {budget: 2s, burst: 20ms}, buffer: 1MiB}"
    made = block(gateway=shared, route="{rules: crs}")
    assert made.rules == {"crs": ["route notes"]}
    assert made.bounds == Bounds(2_000_000, 20_000, 1 << 20)
    assert not any("waf" in one.blocks for one in plan(gateway=shared).routes)
    assert block("other", gateway="{buffer: 1MiB, paranoia: 2}").rules == {"core": ["gateway main"]}


def test_what_a_gateway_shares_stands_on_gateways_alone() -> None:
    found = faults(service="{buffer: 1MiB}", route="{strangers: {budget: 1s}}")
    assert [code for code, _ in found] == ["document.unknown-key"] * 2
    assert codes(gateway="{strangers: {budget: 0ms}}") == ["document.wrong-value"]
    assert codes(gateway="{buffer: 64}") == ["document.wrong-type"]


def test_a_body_that_is_longer_than_all_that_may_be_held_is_a_fault() -> None:
    assert block(gateway="{buffer: 1MiB}", route="{body_limit: 1MiB}").body_limit == 1 << 20
    found = faults(gateway="{buffer: 1MiB}", route="{body_limit: 2MiB}")
    assert [code for code, _ in found] == ["plan.waf-buffer"]
    assert codes(gateway="{rules: core, buffer: 1KiB}") == ["plan.waf-buffer"]
    assert codes(route="{body_limit: 65MiB}") == ["plan.waf-buffer"]


def test_the_core_pack_alone_needs_no_text() -> None:
    made = block(route="{}")
    assert (made.rule_set.name, made.rule_set.packed) == ("core", "")
    assert made.rules == {"core": ["route notes"]}


def test_what_a_block_demands_by_default_cannot_be_loosened_below() -> None:
    for lower in ("{mode: shadow}", "{mode: off}", "{threshold: 6}"):
        assert codes(gateway="{rules: core}", route=lower) == ["plan.loosened"]
        assert codes(gateway="{}", route=lower) == ["plan.loosened"]
        assert codes(gateway="{mode: shadow, threshold: 5}", service="{rules: crs}", route=lower)


def test_a_level_that_only_shadows_may_be_enforced_below() -> None:
    made = block(gateway="{rules: core, mode: shadow}", route="{rules: crs}")
    assert made.mode == "block"


def test_shadow_is_handed_down_by_name() -> None:
    upper = "{rules: core, children_may: [shadow]}"
    assert block(gateway=upper, route="{mode: shadow}").mode == "shadow"
    assert block(gateway=upper, route="{paranoia: 2}").mode == "block"
    assert codes(gateway=upper, route="{mode: off}") == ["plan.loosened"]
    assert codes(gateway=upper, service="{rules: crs}", route="{mode: shadow}") == ["plan.loosened"]


def test_off_looks_into_nothing() -> None:
    assert all("waf" not in route.blocks for route in plan(route="{mode: off}").routes)


def test_rules_of_ones_own_could_take_others_away() -> None:
    assert faults(gateway="{rules: core}", route="{rules: [crs, own]}") == [
        ("plan.loosened", "5:96")
    ]
    handing = "{rules: core, children_may: [exclude]}"
    assert list(block(gateway=handing, route="{rules: own}").rules) == ["core", "own"]
    assert list(block(gateway="{rules: [core, own]}", route="{rules: own}").rules) == [
        "core",
        "own",
    ]


def test_a_rule_that_is_none_is_told_with_both_places() -> None:
    with pytest.raises(Faults) as caught:
        plan(route="{rules: [core, bad]}")
    (fault,) = caught.value.faults
    assert (fault.code, fault.message) == (
        "rules.broken",
        "route notes: bad.conf:2: SecNonsense is no rule",
    )
    assert codes(route="{rules: nobody}") == ["rules.missing"]


def test_an_exclusion_stands_where_the_rules_are_demanded() -> None:
    made = block(
        gateway="{rules: core, exclude: [{rule: 10300, because: quotes}]}",
        route="{rules: crs, exclude: [{rule: 'tag:attack-sqli', because: quotes too}]}",
    )
    assert [(one.rules, one.owner) for one in made.exclude] == [
        ([10300], "gateway main"),
        ([942100, 942110], "route notes"),
    ]


def test_an_exclusion_from_below_needs_a_hand() -> None:
    below = "{exclude: [{rule: [10300, 10400], because: quotes}]}"
    with pytest.raises(Faults) as caught:
        plan(gateway="{rules: core}", route=below)
    assert "takes away rules 10300, 10400, as gateway main demands" in str(caught.value)
    made = block(gateway="{rules: core, children_may: [exclude]}", route=below)
    assert [one.rules for one in made.exclude] == [[10300, 10400]]


def test_what_is_demanded_again_below_stays() -> None:
    upper = "{rules: core, exclude: [{rule: 'tag:sqli', because: quotes}]}"
    parts = {"gateway": upper, "service": "{rules: core}"}
    assert block(**parts).exclude == []
    assert any("does not reach service notes" in one for one in plan(**parts).warnings)


@pytest.mark.parametrize(
    ("exclusion", "code"),
    [
        ("{rule: 10301, because: ' '}", "document.wrong-value"),
        ("{rule: 10301}", "document.missing-key"),
        ("{rule: sqli, because: x}", "document.wrong-value"),
        ("{rule: [], because: x}", "document.wrong-value"),
        ("{rule: 9, because: x}", "plan.waf-rule"),
        ("{rule: 'tag:nothing', because: x}", "plan.waf-rule"),
        ("{rule: 10301, because: x, where: {paths: [/files]}}", "plan.waf-path"),
        ("{rule: 10301, because: x, where: {paths: [notes]}}", "document.path"),
        ("{rule: 10301, because: x, where: {target: nothing}}", "plan.waf-target"),
        ("{rule: 10301, because: x, until: 2026-02-30}", "document.wrong-value"),
        ("{rule: 10301, because: x, until: tomorrow}", "document.wrong-value"),
        ("{rule: 10301, because: x, until: 2026-05-31}", "plan.waf-over"),
    ],
)
def test_an_exclusion_that_cannot_be_meant_is_refused(exclusion: str, code: str) -> None:
    assert codes(route=f"{{exclude: [{exclusion}]}}") == [code]


def test_a_path_of_the_route_is_taken_from_both_sides() -> None:
    for path in ("/*", "/notes/*", "/notes/a", "/notes/a/*"):
        made = block(
            route=f"{{exclude: [{{rule: 10300, because: x, where: {{paths: [{path}]}}}}]}}"
        )
        assert made.exclude[0].paths == [path]


def test_an_exclusion_ends_by_itself_and_says_so() -> None:
    until = "{exclude: [{rule: 10300, because: x, until: 2026-06-10}]}"
    assert block(route=until, today=date(2026, 5, 1)).exclude
    assert not plan(route=until, today=date(2026, 5, 1)).warnings
    assert any("ends after 2026-06-10" in one for one in plan(route=until).warnings)
    assert block(route=until, today=date(2026, 6, 10)).exclude
    over = {"route": until, "today": date(2026, 6, 11)}
    assert codes(**over) == ["plan.waf-over"]
    assert not block(**over, saved=False).exclude
    assert any("was over on 2026-06-10" in one for one in plan(**over, saved=False).warnings)


def test_a_resolver_that_goes_on_sees_the_day_change() -> None:
    until = ", waf: {exclude: [{rule: 10300, because: x, until: 2026-06-10}]}"
    document = Reader().read(trees(gateway=until))
    resolver = Resolver(guard=True, book=Shelf())

    def excluded(day: int) -> list[int]:
        made = resolver.resolve(document, date(2026, 6, day), saved=False)
        blocks = [route.blocks["waf"] for route in made.routes]
        assert all(isinstance(one, Inspection) for one in blocks)
        return [len(one.exclude) for one in blocks if isinstance(one, Inspection)]

    assert excluded(10) == [1, 1, 1, 1]
    assert excluded(11) == [0, 0, 0, 0]
    assert excluded(9) == [1, 1, 1, 1]


def test_our_own_pages_follow_the_gateway_alone() -> None:
    made = plan(gateway="{rules: core}", service="{rules: crs}")
    ours = {route.key.name: route.blocks for route in made.routes if route.own}
    assert sorted(ours) == ["paths.main.https.other.localhost", "sign-in.main"]
    for blocks in ours.values():
        own = blocks["waf"]
        assert isinstance(own, Inspection)
        assert own.rules == {"core": ["gateway main"]}
    assert not any("waf" in one.blocks for one in plan(route="{}").routes if one.own)


def test_effective_names_the_rules_and_not_their_text() -> None:
    found = effective(plan(gateway="{rules: crs}", route="{paranoia: 2}"), "notes")
    assert found is not None
    shown = found.blocks["waf"]
    assert shown["rules"] == {"crs": ["gateway main"]}
    assert "rule_set" not in shown
    assert found.origins["waf.paranoia"] == "route notes"
    assert found.origins["waf.mode"] == "gateway main"
    assert (shown["strangers"], shown["buffer"]) == (
        {"budget": "100ms", "burst": "500ms"},
        64 << 20,
    )
    found = effective(plan(gateway="{buffer: 1MiB}", route="{}"), "notes")
    assert found is not None
    assert found.origins["waf.buffer"] == "gateway main"


def test_another_exclusion_is_another_policy() -> None:
    one, other = (
        plan(route=f"{{exclude: [{{rule: {rule}, because: x}}]}}").routes[0].policy
        for rule in (10300, 10301)
    )
    assert one != other


def test_without_an_engine_each_is_named() -> None:
    document = Reader().read(trees(route=", waf: {rules: core}"))
    for guard in (False, True):
        with pytest.raises(Faults) as caught:
            Resolver(guard=guard).resolve(document)
        assert [fault.code for fault in caught.value.faults] == ["plan.guard"]
