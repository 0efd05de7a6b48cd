"""The order of one stream, without a network: what goes out when, and what waits for what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from ostiary.compiler.resources import (
    CLUSTER,
    ENDPOINTS,
    FILTER,
    LISTENER,
    SCOPE,
    SECRET,
    Resource,
    View,
    resource,
)
from ostiary.errors import CompileError
from ostiary.protos.messages import discovery, route
from ostiary.xds.desired import Desired
from ostiary.xds.quarantine import Refusal
from ostiary.xds.stream import Stream

EDGE = "spiffe://test/edge"
KINDS = (CLUSTER, ENDPOINTS, FILTER, SCOPE, LISTENER, SECRET)


class Peer:
    """Both ends of a stream: takes frames, answers when told to."""

    def __init__(self, *resources: Resource, secrets: Iterable[str] = ()) -> None:
        self.refused: list[str] = []
        self.desired = Desired(EDGE)
        self.secrets = frozenset(secrets)
        self.stream = Stream(self.desired, self._hear)
        self.now = 0.0
        self.publish(*resources)

    def _hear(self, refusal: Refusal) -> None:
        if refusal.final:
            self.refused.append(refusal.resource.name)

    def publish(self, *resources: Resource) -> None:
        by_type: dict[str, dict[str, Resource]] = {}
        for made in resources:
            by_type.setdefault(made.type_url, {})[made.name] = made
        view = View(EDGE, by_type, self.secrets)
        keys = self.desired.scopes_after(view)
        self.stream.changed(self.desired.adopt(view, self.desired.number + 1, keys))

    def ask(self, type_url: str, *names: str, has: dict[str, str] | None = None) -> None:
        request = discovery.DeltaDiscoveryRequest(
            type_url=type_url, resource_names_subscribe=names, initial_resource_versions=has or {}
        )
        self.stream.receive(request)

    def frames(self) -> list[discovery.DeltaDiscoveryResponse]:
        """All that goes out before an answer."""
        out = []
        while (frame := self.stream.next(self.now)) is not None:
            out.append(discovery.DeltaDiscoveryResponse.FromString(frame))
        return out

    def answer(self, frame: discovery.DeltaDiscoveryResponse, error: str = "") -> None:
        request = discovery.DeltaDiscoveryRequest(
            type_url=frame.type_url, response_nonce=frame.nonce
        )
        if error:
            request.error_detail.message = error
        self.stream.receive(request)

    def follow(self) -> list[tuple[str, list[str], list[str]]]:
        """Answer everything at once, as a quick proxy does; what came, in order."""
        seen = []
        while frames := self.frames():
            for frame in frames:
                seen.append(_short(frame))
                self.answer(frame)
        return seen


def _short(frame: discovery.DeltaDiscoveryResponse) -> tuple[str, list[str], list[str]]:
    kind = frame.type_url.rpartition(".")[2]
    return kind, sorted(made.name for made in frame.resources), sorted(frame.removed_resources)


def made(type_url: str, name: str, version: str = "1") -> Resource:
    if type_url == SCOPE:
        fragment = route.ScopedRouteConfiguration.Key.Fragment(string_key=name)
        scope = route.ScopedRouteConfiguration(
            name=name,
            key=route.ScopedRouteConfiguration.Key(fragments=[fragment]),
            route_configuration=route.RouteConfiguration(name=version),
        )
        return resource(SCOPE, name, scope)
    return Resource(type_url, name, version, b"")


def site(version: str, *names: str) -> list[Resource]:
    return [made(kind, name, version) for kind in KINDS[:-1] for name in names]


def settled(*resources: Resource, secrets: Iterable[str] = ()) -> Peer:
    peer = Peer(*resources, secrets=secrets)
    for kind in (CLUSTER, LISTENER, SCOPE):
        peer.ask(kind)
    for kind in (ENDPOINTS, FILTER):
        peer.ask(kind, "a", "b")
    peer.follow()
    assert peer.stream.settled()
    return peer


def test_a_revision_goes_out_make_before_break() -> None:
    peer = settled(*site("1", "a"))
    peer.publish(*site("2", "b"))
    assert peer.follow() == [
        ("ClusterLoadAssignment", ["b"], []),
        ("Cluster", ["b"], []),
        ("ClusterLoadAssignment", ["b"], []),
        ("TypedExtensionConfig", ["b"], []),
        ("ScopedRouteConfiguration", ["b"], ["a"]),
        ("Listener", ["b"], ["a"]),
        ("Cluster", [], ["a"]),
        ("TypedExtensionConfig", [], ["a"]),
        ("ClusterLoadAssignment", [], ["a"]),
    ]
    assert peer.stream.settled()


def test_scopes_wait_for_clusters_but_not_for_ever() -> None:
    peer = settled(*site("1", "a"))
    peer.publish(*site("1", "a"), made(CLUSTER, "c"), made(SCOPE, "c"))
    (cluster,) = peer.frames()
    assert cluster.type_url == CLUSTER
    peer.now = 1.9
    assert peer.frames() == []
    assert peer.stream.wake_at(peer.now) == 2.0
    peer.now = 2.0
    (scope,) = peer.frames()
    assert scope.type_url == SCOPE
    assert list(peer.stream.late(peer.now)) == ["c"]
    peer.answer(scope)
    assert not peer.stream.settled()
    peer.answer(cluster)
    assert peer.stream.settled()


def test_one_overdue_cluster_does_not_slow_every_later_route() -> None:
    peer = settled(*site("1", "a"))
    stuck = [*site("1", "a"), made(CLUSTER, "stuck")]
    peer.publish(*stuck)
    assert [_short(frame) for frame in peer.frames()] == [("Cluster", ["stuck"], [])]
    peer.now = 5.0
    peer.publish(*stuck, made(CLUSTER, "c"), made(SCOPE, "c"))
    assert [_short(frame) for frame in peer.frames()] == [("Cluster", ["c"], [])]
    assert peer.stream.wake_at(peer.now) == 5.2
    peer.now = 5.2
    assert [_short(frame)[1] for frame in peer.frames()] == [["c"]]


def test_a_scope_alone_waits_for_nothing() -> None:
    peer = settled(*site("1", "a"))
    peer.publish(
        *[made_ for made_ in site("1", "a") if made_.type_url != SCOPE], made(SCOPE, "a", "2")
    )
    assert peer.follow() == [("ScopedRouteConfiguration", ["a"], [])]


def test_nothing_old_goes_while_the_new_is_unanswered() -> None:
    peer = settled(*site("1", "a", "b"))
    peer.publish(*site("1", "a"))
    (scopes,) = peer.frames()
    assert _short(scopes) == ("ScopedRouteConfiguration", [], ["b"])
    peer.now = 60.0
    (listeners,) = peer.frames()
    assert _short(listeners) == ("Listener", [], ["b"])
    peer.answer(listeners)
    peer.now = 120.0
    assert peer.frames() == []
    peer.answer(scopes)
    assert ("Cluster", [], ["b"]) in peer.follow()


def test_revisions_in_flight_become_one() -> None:
    peer = settled(*site("1", "a"))
    peer.publish(*site("2", "a"))
    first = peer.frames()
    for version in ("3", "4", "5"):
        peer.publish(*site(version, "a"))
    for frame in first:
        peer.answer(frame)
    clusters = [name for kind, name, _ in peer.follow() if kind == "Cluster"]
    assert clusters == [["a"]]
    assert peer.stream.settled()


def test_back_and_forth_before_an_answer_ends_where_it_began() -> None:
    peer = settled(*site("1", "a"))
    peer.publish(*site("2", "a"))
    frames = peer.frames()
    peer.publish(*site("1", "a"))
    for frame in frames:
        peer.answer(frame)
    assert ("Cluster", ["a"], []) in peer.follow()


def test_a_reconnect_is_sent_only_what_differs() -> None:
    resources = site("1", "a", "b")
    peer = Peer(*resources)
    for kind in (CLUSTER, ENDPOINTS, FILTER, SCOPE, LISTENER):
        has = {made_.name: made_.version for made_ in resources if made_.type_url == kind}
        names = () if kind in (CLUSTER, SCOPE, LISTENER) else ("a", "b")
        peer.ask(kind, *names, has=has | ({"gone": "1"} if kind == CLUSTER else {}))
    assert peer.follow() == [("Cluster", [], ["gone"])]


def test_culprits_are_found_in_few_messages() -> None:
    peer = settled(*site("1", "a"))
    names = [f"n{number:02}" for number in range(32)]
    peer.publish(*site("1", "a"), *(made(CLUSTER, name) for name in names))
    bad, messages = {"n05", "n20"}, 0
    while frames := peer.frames():
        for frame in frames:
            messages += frame.type_url == CLUSTER
            faulty = bad & {made_.name for made_ in frame.resources}
            peer.answer(frame, error="no" if faulty else "")
    assert sorted(peer.refused) == ["n05", "n20"]
    assert messages < 25
    assert peer.stream.settled()


def test_a_refused_stand_in_leaves_the_scope_closed() -> None:
    peer = settled(*site("1", "a"))
    peer.publish(*site("2", "a"))
    seen = []
    while frames := peer.frames():
        for frame in frames:
            scope = frame.type_url == SCOPE
            if scope:
                seen.append(_short(frame)[1:])
            peer.answer(frame, error="no" if scope and frame.resources else "")
    once = (["a"], [])
    assert seen == [once, once, once, ([], ["a"])]  # itself, closed by route, closed, gone: 404
    assert peer.stream.settled()


@pytest.mark.parametrize("kind", [ENDPOINTS, FILTER, SECRET, "type.googleapis.com/un.Known"])
def test_an_unknown_name_is_answered_at_once(kind: str) -> None:
    peer = settled(*site("1", "a"))
    peer.ask(kind, "nobody")
    assert [_short(frame)[2] for frame in peer.frames()] == [["nobody"]]


def test_endpoints_are_answered_while_their_clusters_wait_for_them() -> None:
    peer = settled(*site("1", "a"))
    peer.publish(*site("1", "a"), made(CLUSTER, "c"), made(ENDPOINTS, "c"))
    assert [_short(frame) for frame in peer.frames()] == [("Cluster", ["c"], [])]
    peer.ask(ENDPOINTS, "c")
    assert [_short(frame)[1] for frame in peer.frames()] == [["c"]]


def test_secrets_are_never_served_as_a_whole() -> None:
    peer = Peer(*site("1", "a"), secrets=("ours",))
    peer.desired.take_secrets({"ours": made(SECRET, "ours"), "theirs": made(SECRET, "theirs")})
    peer.ask(SECRET)
    peer.ask(SECRET, "*")
    assert [_short(frame) for frame in peer.frames()] == [("Secret", [], ["*"])]
    peer.ask(SECRET, "ours", "theirs")
    peer.now = 3
    assert [_short(frame) for frame in peer.frames()] == [("Secret", ["ours"], ["theirs"])]


def test_a_withdrawn_secret_is_gone() -> None:
    peer = settled(*site("1", "a"), secrets=("ours",))
    peer.desired.take_secrets({"ours": made(SECRET, "ours")})
    peer.ask(SECRET, "ours")
    assert peer.follow() == [("Secret", ["ours"], [])]
    peer.secrets = frozenset()
    peer.publish(*site("1", "a"))
    assert peer.follow() == [("Secret", [], ["ours"])]


def test_two_scopes_with_one_key_are_refused() -> None:
    peer = settled(*site("1", "a"))
    clash = replace(made(SCOPE, "a"), name="thief", version="x")
    with pytest.raises(CompileError, match=r"scopes a .* and thief .* have the same key a"):
        peer.publish(*site("1", "a"), clash)
    assert peer.follow() == []


def test_a_scope_keeps_its_key() -> None:
    peer = settled(*site("1", "a"))
    other = replace(made(SCOPE, "b"), name="a", version="x")
    with pytest.raises(CompileError, match="another key needs another name"):
        peer.publish(other)


def test_an_unsubscribed_name_is_not_sent() -> None:
    peer = settled(*site("1", "a", "b"))
    request = discovery.DeltaDiscoveryRequest(type_url=ENDPOINTS, resource_names_unsubscribe=["b"])
    peer.stream.receive(request)
    peer.desired.take_endpoints(made(ENDPOINTS, "b", "2"))
    peer.stream.changed({ENDPOINTS: {"b"}})
    assert peer.frames() == []


def test_an_answer_to_another_stream_is_ignored() -> None:
    peer = settled(*site("1", "a"))
    stale = discovery.DeltaDiscoveryResponse(type_url=CLUSTER, nonce="from before")
    peer.answer(stale, error="no")
    assert peer.refused == []
    assert peer.stream.settled()
