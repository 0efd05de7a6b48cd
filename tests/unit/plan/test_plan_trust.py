"""`trust` and `risk`: how levels combine, and that nothing of it passes where no guard is."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from ostiary.errors import Faults
from ostiary.features.trust import Trust
from ostiary.language.read import read
from ostiary.plan.effective import effective
from ostiary.plan.model import Plan
from ostiary.plan.policy import PolicyRecord, load
from ostiary.plan.resolve import Resolver
from ostiary.policy.rules import Effect, Level, Rule
from ostiary.sources.yaml_tree import parse

DOCUMENT = """\
gateway: {{https: {{port: 8443, hosts: ["*.localhost"]}}{gateway}}}
services: {{notes: {{at: ["127.0.0.1:9001"]{service}}}}}
routes:
  notes: {{host: notes.localhost, to: notes, access: [{{allow: {{public: true{rule}}}}}]{route}}}
"""


def plan(*, guard: bool = True, **parts: str) -> Plan:
    text = DOCUMENT.format(**{"gateway": "", "service": "", "route": "", "rule": "", **parts})
    return Resolver(guard=guard).resolve(read(parse("site.yaml", text.encode())))


def codes(**parts: Any) -> list[str]:
    with pytest.raises(Faults) as caught:
        plan(**parts)
    return [fault.code for fault in caught.value.faults]


def test_the_shortest_time_and_the_strictest_word_win() -> None:
    made = plan(
        gateway=", trust: {stale_after: 60s, then: keep, because: planes}",
        service=", trust: {stale_after: 30s}",
        route=", trust: {then: deny}",
    )
    block = made.routes[0].blocks["trust"]
    assert isinstance(block, Trust)
    assert block.told == {"stale_after_ms": 30_000, "then": "deny"}
    assert next(iter(made.services.values())).trust == Trust(stale_after="30s")
    assert any("goes on while newer verdicts may be missing: planes" in w for w in made.warnings)


@pytest.mark.parametrize(
    ("upper", "lower"),
    [
        ("{stale_after: 30s}", "{stale_after: 60s}"),
        ("{then: deny}", "{then: keep, because: it must run}"),
    ],
)
def test_a_lower_level_cannot_loosen(upper: str, lower: str) -> None:
    assert codes(gateway=f", trust: {upper}", route=f", trust: {lower}") == ["plan.loosened"]


@pytest.mark.parametrize("block", ["{then: keep}", "{stale_after: 0s}", "{then: open}"])
def test_what_cannot_be_meant_is_refused(block: str) -> None:
    assert codes(route=f", trust: {block}") == ["document.wrong-value"]


@pytest.mark.parametrize("risk", ["60", '"< 101"', '"<60%"', "true", '"> 100"'])
def test_a_risk_is_a_comparison(risk: str) -> None:
    assert codes(rule=f", risk: {risk}") == ["document.wrong-value"]


def test_without_a_guard_each_is_named() -> None:
    block = ", trust: {stale_after: 30s}"
    assert codes(guard=False, gateway=block) == ["plan.guard"]
    assert codes(guard=False, service=block) == ["plan.guard"]
    assert codes(guard=False, route=block) == ["plan.guard"]
    assert codes(guard=False, rule=', risk: "< 60"') == ["plan.guard"]


def test_a_faulty_route_is_denied_on_a_first_start_without_a_guard() -> None:
    text = DOCUMENT.format(gateway="", service="", route="", rule=', risk: "< 60"')
    found, faults = Resolver().resolve_first(read(parse("site.yaml", text.encode())))
    assert [fault.code for fault in faults] == ["plan.guard"]
    assert found.routes[0].denied


def test_effective_says_the_risk() -> None:
    found = effective(plan(rule=', risk: "< 60"'), "notes")
    assert found is not None
    assert list(found.access.values()) == [("allow notes/access[0]: anybody; risk below 60",)]


def test_a_record_without_risk_is_that_of_before_there_was_any() -> None:
    rule = Rule('a,"risk":null', Effect.ALLOW, public=True)
    made = PolicyRecord("a", ("b",), (Level("route a", (rule,)),), login=False, place="")
    assert '"risk"' not in made.dump().replace('\\"risk\\":null', "")
    assert load(made.dump()) == made
    assert made.hash == hashlib.sha256(made.dump().encode()).hexdigest()[:16]
