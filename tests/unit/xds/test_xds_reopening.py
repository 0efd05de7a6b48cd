"""The search ends with exactly the routes at fault closed, whichever they are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ostiary.compiler.resources import SCOPE, Resource, resource
from ostiary.protos.messages import route
from ostiary.xds.reopening import Reopening


def _scope(routes: int) -> Resource:
    hosts = [
        route.VirtualHost(
            name=str(half),
            domains=[str(half)],
            routes=[
                route.Route(
                    name=f"r{number}",
                    match=route.RouteMatch(path=f"/{number}"),
                    route=route.RouteAction(cluster="c"),
                )
                for number in range(routes)
                if number % 2 == half
            ],
        )
        for half in (0, 1)
    ]
    table = route.RouteConfiguration(name="t", virtual_hosts=hosts)
    return resource(SCOPE, "s", route.ScopedRouteConfiguration(name="s", route_configuration=table))


def _open(scope: Resource) -> set[str]:
    message = route.ScopedRouteConfiguration.FromString(scope.body)
    found = set()
    for host in message.route_configuration.virtual_hosts:
        for one in host.routes:
            if one.HasField("route"):
                found.add(one.name)
            else:
                assert one.direct_response.status == 403
                assert one.match.path == f"/{one.name.removeprefix('r')}"  # still its own
    return found


@given(st.data())
def test_only_the_routes_at_fault_stay_closed(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 40))
    names = {f"r{number}" for number in range(count)}
    bad = data.draw(st.sets(st.sampled_from(sorted(names)), min_size=1, max_size=3))
    search, held, steps = Reopening(_scope(count)), names, 0
    while not search.done:
        opened = _open(search.proposal())
        accepted = not opened & bad
        held = opened if accepted else held
        search = search.accepted() if accepted else search.refused()
        steps += 1
    assert held == names - bad == _open(search.proposal())
    assert set(search.at_fault()) == bad
    assert steps <= 3 + 2 * len(bad) * (count.bit_length() + 1)


def test_a_scope_that_is_refused_even_closed_keeps_only_its_key() -> None:
    search = Reopening(_scope(3)).refused()
    assert search.done
    message = route.ScopedRouteConfiguration.FromString(search.proposal().body)
    (host,) = message.route_configuration.virtual_hosts
    assert list(host.domains) == ["*"]
    assert [one.direct_response.status for one in host.routes] == [403]
    assert search.at_fault() == ()
