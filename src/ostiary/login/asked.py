"""What a proxy asks on the slow path, read out of Envoy's `CheckRequest`.

Claims come from Envoy's own verification (dynamic metadata): they are as good as our signature.
Fed by `authz`; feeds `check`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ostiary.identity.directory import host_of
from ostiary.protos.messages import auth
from ostiary.wire import (
    CONTEXT_POLICY,
    CONTEXT_ROUTE,
    CREDENTIAL_HEADER,
    JWT_METADATA,
    MACHINE_KEY,
    RISK_KEY,
    SESSION_KEY,
    STALE_KEY,
    TRUST_METADATA,
)


class Caller(StrEnum):
    """Who waits for the answer, and so what it can understand."""

    NAVIGATION = "navigation"
    """A person's browser opening a page: redirects and HTML."""
    PROGRAM = "program"
    """Anything else: a status and JSON."""
    GRPC = "grpc"
    """A status that Envoy turns into trailers, and one sentence."""


@dataclass(frozen=True, slots=True)
class Token:
    """The claims of a token of ours that the slow path needs."""

    sid: str
    host: str
    subject: str
    email: str
    groups: frozenset[str]
    group_set: str
    issued: float
    expires: float


@dataclass(frozen=True, slots=True)
class Machine:
    """A credential that the guard verified, or that needs keys newer than the guard's."""

    kind: str
    """`bearer`."""
    issuer: str
    """By its name in the document."""
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that the shadow rules denied."""

    decision: str
    host: str
    method: str
    path: str
    """As Envoy normalised it, with the query."""
    headers: Mapping[str, str]
    route: str
    policy: str
    session: Token | None
    """Of a token that is valid now."""
    stale: Token | None
    """Of a token that has expired, or is still valid: it proves "not a stranger"."""
    risk: int | None = None
    """The score that the guard knows, where a rule reads it."""
    address: str = ""
    """The client's, as the gateway found it."""
    machine: Machine | None = None
    """What a program showed; then nothing else counts."""

    @property
    def bare_path(self) -> str:
        """The path that rules are about: no query."""
        return self.path.partition("?")[0]


def read(request: auth.CheckRequest) -> Asked:
    """`request` in our own words. A token for another host than the request's is no token."""
    http = request.attributes.request.http
    extensions = request.attributes.context_extensions
    host = host_of(http.host)
    known = request.attributes.metadata_context.filter_metadata.get(JWT_METADATA)
    headers = {name.lower(): value for name, value in http.headers.items()}
    return Asked(
        decision=headers.get("x-request-id", http.id),
        host=host,
        method=http.method,
        path=http.path,
        headers=headers,
        route=extensions.get(CONTEXT_ROUTE, ""),
        policy=extensions.get(CONTEXT_POLICY, ""),
        session=_token(known, SESSION_KEY, host),
        stale=_token(known, STALE_KEY, host),
        risk=_risk(request.attributes.metadata_context.filter_metadata.get(TRUST_METADATA)),
        address=request.attributes.source.address.socket_address.address,
        machine=_machine(known, headers.get(CREDENTIAL_HEADER, ""), host),
    )


def caller(asked: Asked) -> Caller:
    """A navigation says so; without Fetch metadata a GET that accepts HTML is one."""
    if asked.headers.get("content-type", "").startswith("application/grpc"):
        return Caller.GRPC
    mode = asked.headers.get("sec-fetch-mode")
    if mode is not None:
        return Caller.NAVIGATION if mode == "navigate" else Caller.PROGRAM
    html = "text/html" in asked.headers.get("accept", "")
    return Caller.NAVIGATION if html and asked.method in {"GET", "HEAD"} else Caller.PROGRAM


def wants_html(asked: Asked) -> bool:
    """True when a refusal should be a page."""
    html = "text/html" in asked.headers.get("accept", "")
    return caller(asked) is not Caller.GRPC and (html or caller(asked) is Caller.NAVIGATION)


def _machine(known: Any, header: str, host: str) -> Machine | None:
    if known is None or MACHINE_KEY not in known.fields:
        return None
    told = known.fields[MACHINE_KEY].struct_value.fields
    kind, _, text = header.partition(" ")
    if not text or str(told["kind"].string_value) != kind or told["host"].string_value != host:
        return None
    return Machine(kind, str(told["issuer"].string_value), text)


def _risk(known: Any) -> int | None:
    if known is None or RISK_KEY not in known.fields:
        return None
    return int(known.fields[RISK_KEY].number_value)


def _token(known: Any, key: str, host: str) -> Token | None:
    if known is None or key not in known.fields:
        return None
    claims = known.fields[key].struct_value.fields

    def text(name: str) -> str:
        return str(claims[name].string_value) if name in claims else ""

    def number(name: str) -> float:
        return float(claims[name].number_value) if name in claims else 0.0

    if not text("sid") or text("host") != host:
        return None
    groups = claims["groups"].list_value.values if "groups" in claims else ()
    return Token(
        sid=text("sid"),
        host=host,
        subject=text("sub"),
        email=text("email"),
        groups=frozenset(one.string_value for one in groups),
        group_set=text("gv"),
        issued=number("iat"),
        expires=number("exp"),
    )
