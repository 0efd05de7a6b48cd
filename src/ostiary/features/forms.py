"""The forms of our own pages arrive whole, small and soon, or not at all.

Whoever sends a form byte by byte would occupy one of the few requests that `login` takes at a
time, and a hundred such senders would keep everybody from signing in. So the gateway collects a
form before it asks `login`, and ends what takes too long.
"""

from __future__ import annotations

from typing import Final

from ostiary.features.fragment import Filter, Fragment, ListenerSite, Site, Stage
from ostiary.protos.messages import buffer, route, wkt

LARGEST: Final = 8_192
"""Bytes of a form; `login` reads no larger one either."""
LONGEST: Final = 20
"""Seconds from the head of a request to the end of its answer."""


def slots(listener: ListenerSite) -> tuple[Filter, ...]:  # noqa: ARG001  the same everywhere
    """The filter; a larger form is answered 413."""
    config = buffer.Buffer(max_request_bytes=wkt.UInt32Value(value=LARGEST))
    return (Filter(Stage.WHOLE, Stage.WHOLE.slot, config),)


def fragment(site: Site) -> Fragment:  # noqa: ARG001  asked for routes of ours only
    """Collect, and give the whole exchange its time."""
    lasting = route.RouteAction.MaxStreamDuration(max_stream_duration=wkt.Duration(seconds=LONGEST))
    on = route.FilterConfig(config=wkt.Any())
    return Fragment(
        per_route={Stage.WHOLE.slot: on},
        route=route.Route(route=route.RouteAction(max_stream_duration=lasting)),
    )
