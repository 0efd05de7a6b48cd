"""`waf` in what is compiled: sets once a gateway, log files, our own pages, save after save."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from compiler_plans import WORLD
from shelf import Shelf

from ostiary.compiler.compile import Compiler
from ostiary.compiler.lint import lint, message_of
from ostiary.compiler.resources import FILTER, LISTENER, SCOPE, Snapshot, View
from ostiary.errors import Faults
from ostiary.language.read import Reader
from ostiary.language.tree import RuleText, Tree
from ostiary.patched import differences
from ostiary.plan.resolve import Resolver
from ostiary.sources.yaml_tree import parse

EDGE = "spiffe://test/default/default/gateway/main"
TODAY = date(2026, 6, 1)
CRS = RuleText((("crs/942.conf", "942100 attack-sqli\n"),))
HEAD = """\
trust_domain: test
gateway: {{https: {{port: 8443, hosts: ["*.a.localhost"]}}{more}}}
identity: {{providers: {{local: {{}}}}}}
services: {{s: {{at: ["127.0.0.1:9000"]}}}}
"""


class House:
    """The rooms between text and resources, with what they remember."""

    def __init__(self) -> None:
        self.reader, self.compiler = Reader(), Compiler()
        self.resolver = Resolver(guard=True, book=Shelf())

    def serve(self, trees: Sequence[Tree], day: date = TODAY) -> Snapshot | set[str]:
        try:
            plan = self.resolver.resolve(self.reader.read(trees), day, saved=False)
        except Faults as error:
            return {fault.code for fault in error}
        return self.compiler.compile(plan, replace(WORLD, guard=True))


def trees(*texts: str) -> list[Tree]:
    parsed = (tree for text in texts for tree in parse("site.yaml", text.encode()))
    return [replace(tree, rules={"crs": CRS}) for tree in parsed]


def route(number: int, waf: str = "", login: str = "access: public") -> str:
    block = f", waf: {waf}" if waf else ""
    return f"routes: {{r{number}: {{host: h{number}.a.localhost, to: s, {login}{block}}}}}"


def view(*texts: str, gateway: str = "") -> View:
    head = HEAD.format(more=f", waf: {gateway}" if gateway else "")
    snapshot = House().serve(trees(head, *texts))
    assert isinstance(snapshot, Snapshot)
    lint(snapshot.views[EDGE])
    return snapshot.views[EDGE]


def told(config: Any) -> dict[str, Any]:
    """The JSON inside a message of the guard's."""
    text = next(one for one in _strings(config) if one.startswith("{"))
    found = json.loads(text)
    assert isinstance(found, dict)
    return found


def _strings(config: Any) -> list[str]:
    from ostiary.compiler.lint import walk  # noqa: PLC0415  what is packed is found by walking

    return [str(one.value) for one in walk(config) if one.DESCRIPTOR.name == "StringValue"]  # type: ignore[attr-defined]


def sets(one: View) -> dict[str, Any]:
    found = one.resources[FILTER].get("ostiary.waf_head")
    return {} if found is None else told(message_of(found))["sets"]


def on_route(one: View, name: str) -> Any:
    for resource in one.resources[SCOPE].values():
        scope: Any = message_of(resource)
        for host in scope.route_configuration.virtual_hosts:
            for each in host.routes:
                if each.name.partition("@")[0].endswith(f"/{name}"):
                    return each
    raise AssertionError(name)


def test_each_set_is_carried_once_and_only_while_a_route_names_it() -> None:
    made = view(route(1, "{}"), route(2, "{rules: crs}"), route(3, "{rules: crs, paranoia: 3}"))
    assert sorted(one["core"] for one in sets(made).values()) == [False, True]
    assert sets(view(route(1, "{rules: crs}"))) != sets(view(route(1, "{rules: [core, crs]}")))
    assert sets(view(route(1))) == {}


def test_a_route_names_its_set_and_says_the_same_twice() -> None:
    made = view(route(1, "{rules: crs, body_limit: 1MiB, threshold: 3}"))
    one = on_route(made, "r1")
    head, body = (
        told(one.typed_per_filter_config[f"ostiary.waf_{part}"]) for part in ("head", "body")
    )
    assert head == body
    assert head["set"] in sets(made)
    assert (head["threshold"], head["body_limit"], head["anonymous"]) == (3, 1 << 20, True)
    assert "budget" not in head


def test_pages_of_ours_hide_what_people_type() -> None:
    signed_in = "login: true, access: [{allow: {}}]"
    made = view(route(1, login=signed_in), gateway="{rules: core, log: /waf.jsonl}")
    ours = told(on_route(made, "sign-in.main").typed_per_filter_config["ostiary.waf_body"])
    assert ours["secret_arguments"] == ["password", "username"]
    assert ours["anonymous"]
    theirs = told(on_route(made, "r1").typed_per_filter_config["ostiary.waf_body"])
    assert "secret_arguments" not in theirs
    assert not theirs["anonymous"]


def test_the_listener_has_a_log_for_each_file() -> None:
    made = view(
        route(1, "{log: /a}"), route(2, "{log: /a}"), route(3, "{log: {file: /b, record: true}}")
    )
    listener: Any = message_of(made.resources[LISTENER]["https"])
    assert str(listener).count("envoy.access_loggers.file") == 2
    assert told(on_route(made, "r3").typed_per_filter_config["ostiary.waf_head"])["record"]


def test_an_exclusion_moves_its_route_and_nothing_else() -> None:
    house = House()
    head = trees(HEAD.format(more=", waf: {rules: crs, children_may: [exclude]}"), route(1))
    excluded = "{exclude: [{rule: 942100, because: x}]}"
    before = house.serve([*head, *trees(route(2, "{}"))])
    after = house.serve([*head, *trees(route(2, excluded))])
    assert isinstance(before, Snapshot)
    assert isinstance(after, Snapshot)
    there, here = before.views[EDGE].resources, after.views[EDGE].resources
    touched = {url: set(differences(here[url], there[url])) for url in here}
    assert {url: names for url, names in touched.items() if names} == {
        SCOPE: {"https|h2.a.localhost"}
    }


BLOCKS = (
    "",
    "",
    "{}",
    "{rules: crs}",
    "{rules: [core, crs], mode: shadow}",
    "{rules: crs, children_may: [exclude, shadow]}",
    "{rules: core, log: /a}",
    "{rules: core, children_may: [exclude], log: /b}",
    "{exclude: [{rule: 10300, because: x, until: 2026-06-03}]}",
    "{rules: crs, exclude: [{rule: 942100, because: x, until: 2026-06-05}]}",
)


@pytest.mark.parametrize("seed", range(3))
def test_after_any_saves_and_days_the_result_equals_a_cold_one(seed: int) -> None:
    draw, warm, served, day = random.Random(seed), House(), 0, TODAY  # noqa: S311  a test's choice
    texts: dict[str, list[Tree]] = {}
    for _ in range(120):
        which = draw.choice(("head", "1", "2", "3", "day"))
        block = draw.choice(BLOCKS)
        if which == "day":
            day += timedelta(days=draw.choice((-1, 1, 1)))
        elif which == "head":
            more = draw.choice(("", *BLOCKS[:4], BLOCKS[5], BLOCKS[7]))
            texts["head"] = trees(HEAD.format(more=f", waf: {more}" if more else ""))
        else:
            login = draw.choice(("access: public", "login: true, access: [{allow: {}}]"))
            texts[which] = trees(route(int(which), block, login))
        every = [tree for _, some in sorted(texts.items()) for tree in some]
        result = warm.serve(every, day)
        assert result == House().serve(every, day)
        served += isinstance(result, Snapshot)
    assert served > 20
