"""`cors`: which other origins a browser may let read the answers."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from ostiary.features.fragment import (
    Block,
    Filter,
    Fragment,
    ListenerSite,
    Merge,
    Site,
    Stage,
)
from ostiary.protos.messages import cors, matcher, wkt


class Cors(Block):
    """Allowed origins are exact (`https://app.example`); there is no `*` beside credentials."""

    feature: ClassVar[str] = "cors"
    origins: Annotated[list[str], Field(min_length=1), Merge.SUBSET]
    methods: Annotated[list[str], Merge.SUBSET] = ["GET", "HEAD", "POST"]
    headers: Annotated[list[str], Merge.SUBSET] = []
    """Request headers a script may set."""
    expose: Annotated[list[str], Merge.SUBSET] = []
    """Response headers a script may read."""
    credentials: Annotated[bool, Merge.MIN] = False
    max_age: Annotated[int, Field(ge=0, le=86_400), Merge.MIN] = 600
    """Seconds a browser may remember a preflight."""

    def fragment(self, site: Site) -> Fragment:  # noqa: ARG002  the same on every route
        """A true preflight of an allowed origin is answered here; all else goes on."""
        policy = cors.CorsPolicy(
            allow_origin_string_match=[matcher.StringMatcher(exact=one) for one in self.origins],
            allow_methods=", ".join(self.methods),
            allow_headers=", ".join(self.headers),
            expose_headers=", ".join(self.expose),
            max_age=str(self.max_age),
            allow_credentials=wkt.BoolValue(value=self.credentials),
        )
        return Fragment(per_route={Stage.CORS.slot: policy})


def slots(listener: ListenerSite) -> tuple[Filter, ...]:  # noqa: ARG001  the same everywhere
    """The filter, which does nothing without a route's policy."""
    return (Filter(Stage.CORS, Stage.CORS.slot, cors.Cors()),)
