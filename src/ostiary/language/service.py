"""`services`: the resources behind the doors."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ostiary.language.written import Address, Duration, Levelled, OneOrMore, Port, Written


class MiniGateway(Written):
    """The proxy beside a resource. The resource is reachable only through it, by mutual TLS."""

    address: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """The IP address it listens on."""
    port: Port
    callers: Annotated[list[str], Field(min_length=1)] | None = None
    """Gateways that may call; none written: every gateway with a route to the service."""


class Service(Levelled):
    """A resource. Its `access` is checked at the edge and again at its mini gateway."""

    at: Annotated[list[Address], OneOrMore, Field(min_length=1)]
    """Where it answers: `127.0.0.1:9001` or `unix:/run/notes.sock`."""
    mini_gateway: MiniGateway | None = None
    connect_timeout: Duration = "2s"
    """How long a connection to it may take to open."""
