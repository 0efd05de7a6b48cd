"""`gateways`: the doors. A gateway is one Envoy (or several equal ones) with its listeners."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ostiary.features.waf import GatewayWaf
from ostiary.language.written import ExactHost, Levelled, ListenerHost, OneOrMore, Port, Written


class Certificate(Written):
    """A serving certificate you bring: PEM files, relative to the document that names them."""

    file: Annotated[str, Field(min_length=1)]
    """The certificate, its chain after it."""
    key: Annotated[str, Field(min_length=1)]
    """Its private key, not encrypted."""


class Listener(Written):
    """One port. With TLS it serves; without it only ever redirects."""

    port: Port
    address: Annotated[str, Field(min_length=1)] = "0.0.0.0"  # noqa: S104  a door is for the world
    """The IP address to listen on."""
    protocol: Literal["https", "http"] | None = None
    """`http` for the listener of that name and for one with `redirect`, else `https`."""
    hosts: Annotated[list[ListenerHost], OneOrMore, Field(min_length=1)] = ["*"]
    """The names served here, exact or `*.x.example`; also the names of our certificate."""
    certificate: Certificate | None = None
    """None written: our own authority issues it, for `hosts` and the sign-in host."""
    sign_in_host: ExactHost | None = None
    """Where people sign in; none written: `login.` before the common parent of `hosts`."""
    redirect: str | None = None
    """Plain HTTP: the name of the HTTPS listener that every request is sent to."""


class Gateway(Levelled):
    """A gateway. The short form `gateway: {https: ..., http: ...}` is the gateway `main`."""

    waf: GatewayWaf | None = None
    """Rules that look into requests and answers for attacks, and what that may cost."""
    listeners: Annotated[dict[str, Listener], Field(min_length=1)]
    """By name."""
    trusted_proxies: list[str] = []
    """CIDR ranges whose `X-Forwarded-For` is believed; everybody else's is rewritten."""
