"""What a `Compiler` remembers never shows, except in the time it takes."""

from __future__ import annotations

import dataclasses
import random

from compiler_plans import MAIN, NOTES, WORLD, plan, route, service, sign_in

from ostiary.certs import spiffe
from ostiary.compiler.compile import Compiler
from ostiary.compiler.compile import compile as compile_plan
from ostiary.compiler.resources import SCOPE, Snapshot
from ostiary.names import local
from ostiary.plan.model import MiniGateway, Plan

EDGE = spiffe.gateway_id("test", local("main"))


def _changed(before: Plan, draw: random.Random) -> Plan:
    routes = list(before.routes)
    number = draw.randrange(1_000)
    match draw.randrange(7):
        case 0:
            routes.append(route(f"new{number}", f"h{number}.localhost"))
        case 1 if len(routes) > 1:
            routes.pop(draw.randrange(len(routes)))
        case 2:
            place = draw.randrange(len(routes))
            routes[place] = dataclasses.replace(routes[place], policy=f"{number:016x}")
        case 4:
            mini = MiniGateway("127.0.0.1", 7000, (MAIN,)) if number % 2 else None
            return dataclasses.replace(
                before, services={NOTES: service(mini, f"10.0.0.{number % 9}")}
            )
        case 5:
            return dataclasses.replace(
                before, sign_in={MAIN: sign_in(number % 3)} if number % 2 else {}
            )
        case 6:
            key = local("more")
            more = dataclasses.replace(service(), key=key)
            services = {NOTES: before.services[NOTES], **({key: more} if number % 2 else {})}
            return dataclasses.replace(before, services=services)
        case _:
            routes.append(route(f"wild{number}", f"*.w{number % 3}.localhost", f"/{number}"))
    return dataclasses.replace(before, routes=tuple(routes))


def test_after_any_changes_the_result_equals_a_cold_compile() -> None:
    draw = random.Random(3)  # noqa: S311  a test's choice
    compiler, now = Compiler(), plan(*(route(f"r{n}", f"h{n}.localhost") for n in range(8)))
    for _ in range(120):
        now = _changed(now, draw)
        world = dataclasses.replace(WORLD, issuer="another") if draw.random() < 0.1 else WORLD
        assert compiler.compile(now, world) == compile_plan(now, world)


def test_one_changed_route_makes_one_resource_anew() -> None:
    routes = [route(f"r{n}", f"h{n}.localhost") for n in range(50)]
    compiler = Compiler()
    before = _scopes(compiler.compile(plan(*routes), WORLD))
    routes[7] = dataclasses.replace(routes[7], policy="f" * 16)
    after = _scopes(compiler.compile(plan(*routes), WORLD))
    assert [name for name in after if after[name] is not before[name]] == ["https|h7.localhost"]


def test_equal_plans_give_equal_bytes_whatever_the_order_of_routes() -> None:
    routes = [route(f"r{n}", "one.localhost", f"/{n}") for n in range(9)]
    there, back = (compile_plan(plan(*each), WORLD) for each in (routes, routes[::-1]))
    assert there == back
    assert there.revision == back.revision


def test_the_listener_is_written_anew_only_for_another_set_of_wildcards() -> None:
    base = [route("a", "a.localhost")]
    plain = _listener(compile_plan(plan(*base), WORLD))
    more = _listener(compile_plan(plan(*base, route("b", "b.localhost")), WORLD))
    wild = _listener(compile_plan(plan(*base, route("w", "*.w.localhost")), WORLD))
    below = _listener(
        compile_plan(plan(*base, route("w", "*.w.localhost"), route("x", "*.x.w.localhost")), WORLD)
    )
    assert plain == more
    assert wild != plain
    assert below == wild


def _scopes(snapshot: Snapshot) -> dict[str, object]:
    return dict(snapshot.views[EDGE].resources[SCOPE])


def _listener(snapshot: Snapshot) -> object:
    return next(
        one
        for url, group in snapshot.views[EDGE].resources.items()
        if url.endswith("Listener")
        for one in group.values()
    )
