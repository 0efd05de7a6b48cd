"""Hand-joined frames read like the messages Envoy knows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ostiary.compiler.resources import CLUSTER, Resource
from ostiary.protos.messages import discovery
from ostiary.xds import frames

_text = st.text(max_size=300)
_resources = st.builds(
    Resource, st.just(CLUSTER), _text, _text, st.binary(max_size=300) | st.just(b"x" * 70_000)
)


@given(_text, st.lists(_resources, max_size=4), st.lists(_text, max_size=3))
def test_a_frame_is_a_delta_discovery_response(
    nonce: str, resources: list[Resource], removed: list[str]
) -> None:
    read = discovery.DeltaDiscoveryResponse.FromString(
        frames.response(CLUSTER, nonce, resources, removed)
    )
    assert (read.type_url, read.nonce) == (CLUSTER, nonce)
    assert list(read.removed_resources) == removed
    assert [
        (made.name, made.version, made.resource.type_url, made.resource.value)
        for made in read.resources
    ] == [(made.name, made.version, CLUSTER, made.body) for made in resources]
