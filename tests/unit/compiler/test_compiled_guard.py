"""With the guard: what it replaces is gone, and nothing that is forwarded passes it by."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from compiler_plans import MAIN, NOTES, WORLD, plan, route, service, sign_in

from ostiary.certs import spiffe
from ostiary.compiler.compile import compile as compile_plan
from ostiary.compiler.lint import findings, lint, message_of, walk
from ostiary.compiler.paths import GOOD_PATH
from ostiary.compiler.resources import FILTER, LISTENER, SCOPE, Snapshot, View, resource
from ostiary.errors import CompileError
from ostiary.features.fragment import Stage
from ostiary.features.roles import library
from ostiary.features.trust import Trust
from ostiary.plan.model import MiniGateway, Plan
from ostiary.policy.rules import Effect, Level, Rule

GUARDED = dataclasses.replace(WORLD, guard=True)
EDGE = spiffe.gateway_id("test", MAIN)
MINI = spiffe.service_id("test", NOTES)
STAFF = Level("route", (Rule("staff", Effect.ALLOW, groups=("staff",)),))


def site() -> Plan:
    signed_in = dataclasses.replace(route("a", "a.localhost"), login=True, levels=(STAFF,))
    open_to_all = dataclasses.replace(route("b", "a.localhost", "/b"), login=True)
    wild = route("c", "*.b.localhost")
    own = dataclasses.replace(route("d", "a.localhost", "/.ostiary"), own=True, service=None)
    mini = MiniGateway("127.0.0.1", 9443, (MAIN,))
    made = plan(signed_in, open_to_all, wild, own, notes=service(mini))
    return dataclasses.replace(made, sign_in={MAIN: sign_in()})


def compiled(made: Plan) -> Snapshot:
    snapshot = compile_plan(made, GUARDED)
    for view in snapshot.views.values():
        lint(view)
    return snapshot


def edge() -> View:
    return compiled(site()).views[EDGE]


def routes(view: View) -> list[Any]:
    scopes: list[Any] = [message_of(one) for one in view.resources[SCOPE].values()]
    hosts = [host for scope in scopes for host in scope.route_configuration.virtual_hosts]
    return [one for host in hosts for one in host.routes]


def test_neither_jwt_filters_nor_scripts_are_left() -> None:
    for view in compiled(site()).views.values():
        kinds = {
            message.DESCRIPTOR.full_name
            for group in view.resources.values()
            for one in group.values()
            for message in walk(message_of(one))
        }
        assert not [kind for kind in kinds if ".jwt_authn." in kind or ".lua." in kind]
        assert any("DynamicModuleFilter" in kind for kind in kinds)


def test_each_route_has_who_or_address_and_never_both() -> None:
    on = {
        one.name.partition("@")[0].rpartition("/")[2]: {
            stage.name
            for stage in (Stage.WHO, Stage.TRUST, Stage.HANDOVER, Stage.HYGIENE)
            if stage.slot in one.typed_per_filter_config
        }
        for one in routes(edge())
    }
    assert on == {
        "a": {"WHO", "HANDOVER"},
        "b": {"WHO", "HANDOVER"},
        "c": {"TRUST"},
        "d": {"TRUST"},
    }


def test_no_header_of_a_route_s_own_is_written_where_the_guard_writes_it() -> None:
    for one in routes(edge()):
        if Stage.WHO.slot in one.typed_per_filter_config:
            assert not one.request_headers_to_add
            assert not one.request_headers_to_remove


def test_without_the_guard_the_features_of_it_ask_for_nothing() -> None:
    view = compile_plan(site(), WORLD).views[EDGE]
    assert Stage.TRUST.slot not in view.resources[FILTER]
    assert {Stage.HYGIENE.slot, Stage.FORGERIES.slot} <= view.resources[FILTER].keys()


def test_a_mini_gateway_tells_the_guard_what_the_service_says() -> None:
    made = site()
    notes = dataclasses.replace(made.services[NOTES], trust=Trust(stale_after="5s"))
    view = compiled(dataclasses.replace(made, services={NOTES: notes})).views[MINI]
    filled: Any = message_of(view.resources[FILTER][Stage.WHO.slot])
    text = filled.typed_config.value
    assert b'"trust":{"stale_after_ms":5000,"then":"deny"}' in text
    before = compiled(made).views[MINI]
    assert before.resources[LISTENER] == view.resources[LISTENER], "another word drains nothing"


def chains(view: View) -> dict[str, list[str]]:
    """Name of each filter chain -> its filters."""
    listeners: list[Any] = [message_of(one) for one in view.resources[LISTENER].values()]
    found = [chain for one in listeners for chain in one.filter_chains]
    return {chain.name: [one.name for one in chain.filters] for chain in found}


def test_connections_are_looked_after_before_anything_is_read_of_them() -> None:
    guard, http = "ostiary.connection", "envoy.filters.network.http_connection_manager"
    made = site()
    main = dataclasses.replace(made.gateways[MAIN], trusted_proxies=("192.0.2.1",))
    made = dataclasses.replace(made, gateways={MAIN: main})
    views = compiled(made).views
    assert chains(views[MINI]) == {"mutual-tls": [guard, http]}
    # The address of a trusted proxy is not the client's.
    assert chains(views[EDGE]) == {"trusted": [http], "everybody": [guard, http]}
    assert chains(compile_plan(made, WORLD).views[MINI]) == {"mutual-tls": [http]}


def _tampered(view: View, kind: str, change: Any) -> View:
    """`view` with every message of one kind changed."""
    group = {}
    for name, one in view.resources[kind].items():
        message: Any = message_of(one)
        change(message)
        group[name] = resource(kind, name, message)
    return View(view.proxy, {**view.resources, kind: group}, view.secrets)


@pytest.mark.parametrize("stage", [Stage.WHO, Stage.HANDOVER, Stage.TRUST, Stage.MAY])
def test_a_route_that_passes_the_guard_by_is_found(stage: Stage) -> None:
    def take_away(scope: Any) -> None:
        for host in scope.route_configuration.virtual_hosts:
            for one in host.routes:
                one.typed_per_filter_config.pop(stage.slot, None)

    with pytest.raises(CompileError, match=r"guard does not see|slow path without"):
        lint(_tampered(edge(), SCOPE, take_away))


def test_a_listener_whose_scope_another_writes_is_found() -> None:
    listener = next(iter(compile_plan(site(), WORLD).views[EDGE].resources[LISTENER].values()))
    view = edge()
    mixed = {**view.resources, LISTENER: {listener.name: listener}}
    with pytest.raises(CompileError, match="scope the guard does not write"):
        lint(View(view.proxy, mixed, view.secrets))


def test_a_module_that_could_be_unloaded_or_fetched_is_found() -> None:
    assert not list(findings(library()))
    closing = library()
    closing.do_not_close = False
    assert len(list(findings(closing))) == 1
    fetched = library()
    fetched.module.remote.http_uri.uri = "https://a.example/guard.so"
    assert len(list(findings(fetched))) == 1


def test_the_guard_finds_sound_what_the_expression_does() -> None:
    """Its own tests compare it with this file."""
    repository = Path(__file__).parents[3]
    assert (repository / "guard/policy/sound_path.txt").read_text() == f"{GOOD_PATH}\n"
