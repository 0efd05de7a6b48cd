"""`timeouts`: how long a request may take. Streams pass unless a limit is written."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final

from pydantic import Field

from ostiary.features.fragment import Block, Fragment, Merge, Site
from ostiary.protos.messages import route, wkt

_MILLISECONDS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}


class Timeouts(Block):
    """Durations such as `30s`, `5m`, `1h`, `250ms`; `0s` is no limit."""

    feature: ClassVar[str] = "timeouts"
    request: Annotated[str, Field(pattern=r"^\d{1,9}(ms|s|m|h)$"), Merge.MIN] = "0s"
    """The whole answer; 0 so that server-sent events and WebSockets pass."""
    idle: Annotated[str, Field(pattern=r"^\d{1,9}(ms|s|m|h)$"), Merge.MIN] = "5m"
    """No byte in either direction."""

    def fragment(self, site: Site) -> Fragment:  # noqa: ARG002  the same on every route
        """Both written out, for Envoy's own default would end a stream after 15 seconds."""
        action = route.RouteAction(
            timeout=_duration(self.request), idle_timeout=_duration(self.idle)
        )
        return Fragment(route=route.Route(route=action))


def milliseconds(text: str) -> int:
    """`250ms` -> 250, `5m` -> 300000."""
    unit = text.lstrip("0123456789")
    return int(text.removesuffix(unit)) * _MILLISECONDS[unit]


def _duration(text: str) -> wkt.Duration:
    total = milliseconds(text)
    return wkt.Duration(seconds=total // 1000, nanos=total % 1000 * 1_000_000)
