"""What a proxy has to be told of is the same, whether the compiler noted it or it is found out."""

from __future__ import annotations

import random

from ostiary.compiler.resources import CLUSTER, SCOPE, Resource, View
from ostiary.patched import Patched
from ostiary.protos.messages import route
from ostiary.xds.desired import Desired

PROXY = "spiffe://test/default/default/gateway/main"


def _resource(type_url: str, name: str, version: int) -> Resource:
    fragment = route.ScopedRouteConfiguration.Key.Fragment(string_key=name)
    made = route.ScopedRouteConfiguration(
        name=name, key=route.ScopedRouteConfiguration.Key(fragments=[fragment])
    )
    return Resource(type_url, name, str(version), made.SerializeToString())


def _edited(
    group: Patched[str, Resource], type_url: str, draw: random.Random
) -> Patched[str, Resource]:
    names = {f"n{draw.randrange(8)}" for _ in range(draw.randrange(4))}
    # Some are written anew and mean the same: nobody has to be told of those.
    new = {name: _resource(type_url, name, draw.randrange(3)) for name in names}
    gone = sorted({name for name in group if draw.random() < 0.15} - names)
    return group.patched(new, gone)


def _versions(view: View | None) -> set[tuple[str, str, str]]:
    resources = view.resources if view else {}
    return {
        (url, one.name, one.version) for url, group in resources.items() for one in group.values()
    }


def test_a_view_that_was_patched_and_one_that_is_new_tell_the_same_changes() -> None:
    draw = random.Random(4)  # noqa: S311  a test's choice
    groups: dict[str, Patched[str, Resource]] = {SCOPE: Patched(), CLUSTER: Patched()}
    noting, comparing = Desired(PROXY), Desired(PROXY)
    for number in range(1, 200):
        groups = {url: _edited(group, url, draw) for url, group in groups.items()}
        if draw.random() < 0.2:
            continue  # a revision that never reached the proxies
        told = []
        for desired, resources in (
            (noting, groups),
            (comparing, {url: dict(group) for url, group in groups.items()}),
        ):
            view = View(PROXY, resources, frozenset())
            truly = {one[:2] for one in _versions(view) ^ _versions(desired.view)}
            changes = desired.adopt(view, number, desired.scopes_after(view))
            told.append({(url, name) for url, names in changes.items() for name in names})
            assert told[-1] == truly
        assert told[0] == told[1]
