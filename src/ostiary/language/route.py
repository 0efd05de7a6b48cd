"""`routes`: which requests go where, and on what terms."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ostiary.features.access import Method
from ostiary.features.respond import Respond
from ostiary.language.written import Host, Levelled, OneOrMore, PathPattern


class Route(Levelled):
    """One route. Order never matters: the most specific host, path and method wins."""

    gateway: str | None = None
    """The gateway it stands on; may be left out when there is only one."""
    host: Annotated[list[Host], OneOrMore, Field(min_length=1)]
    """Exact or `*.x.example`, without a port."""
    path: Annotated[list[PathPattern], OneOrMore, Field(min_length=1)] = ["/*"]
    """`/x` exact; `/x/*` also everything below, `/x` included."""
    methods: Annotated[list[Method], Field(min_length=1)] | None = None
    """None written: all."""
    to: str | None = None
    """The service that answers. Exactly one of `to` and `respond` stands on a route."""
    respond: Respond | None = None
    """An answer given by the gateway itself."""
