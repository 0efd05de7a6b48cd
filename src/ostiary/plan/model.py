"""The plan: what a document means, with every reference resolved and nothing optional.

`resolve()` (in `resolve.py`) makes it from a `language.Document`; the compiler, `effective` and
`explain` read it. No field means "default": the default has been taken. `None` only ever means
"there is none".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ostiary.errors import NOWHERE, Place
from ostiary.features.fragment import Block
from ostiary.features.trust import Trust
from ostiary.identity.issuers import Issuer
from ostiary.names import Key
from ostiary.policy.rules import Level


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """A serving certificate that a person brings (PEM files, absolute paths)."""

    certificate: str
    key: str


@dataclass(frozen=True, slots=True)
class Listener:
    """One port of a gateway."""

    name: str
    """`https`, `http`."""
    address: str
    port: int
    hosts: tuple[str, ...]
    """Patterns this listener serves (`*` for all); also the names of our certificate."""
    tls: bool
    files: CertificateFiles | None
    """None: our authority issues the certificate."""
    redirect_to: str | None
    """For plain HTTP: the name of the HTTPS listener every request is redirected to."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """An edge gateway: one view, one Envoy (or several equal ones)."""

    key: Key
    listeners: tuple[Listener, ...]
    trusted_proxies: tuple[str, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a resource answers: `host:port`, or `unix` path."""

    host: str
    port: int
    unix: str | None = None


@dataclass(frozen=True, slots=True)
class MiniGateway:
    """The proxy beside a resource: it takes mutual TLS only, from declared callers only."""

    address: str
    port: int
    callers: tuple[Key, ...]
    """Gateways whose SPIFFE id may call."""


@dataclass(frozen=True, slots=True)
class Service:
    """A resource. With a mini gateway, edges reach only that, never the endpoints."""

    key: Key
    endpoints: tuple[Endpoint, ...]
    mini_gateway: MiniGateway | None
    level: Level | None
    """The service's own `access`, checked again at its mini gateway."""
    connect_timeout: float
    """Seconds."""
    place: Place
    trust: Trust | None = None
    """What its mini gateway does while the newest verdicts may be missing."""


class PathKind(StrEnum):
    """How a route's path is compared."""

    EXACT = "exact"
    PREFIX = "prefix"


@dataclass(frozen=True, slots=True)
class PathMatch:
    """`/x` exact, or `/x/*`: that prefix on segment boundaries, `/x` included."""

    kind: PathKind
    value: str
    """Without the trailing `/*`; the empty string is the prefix of everything."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """The sign-in host of a gateway, and how long things live (seconds)."""

    gateway: Key
    listener: str
    host: str
    origin: str
    token_lifetime: int
    """A session token's; 60 while there is no guard."""
    idle_lifetime: int
    """A refresh handle that is not used this long is dead."""
    absolute_lifetime: int
    """A session ends this long after sign-in, whatever happens."""
    offline_grace: int
    group_names: frozenset[str]
    """Every group that some policy names; tokens carry no other."""
    group_set: str
    """`gv`: hash of `group_names`."""
    providers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """One route of one gateway listener. Route order never matters: the most specific path wins."""

    key: Key
    gateway: Key
    listener: str
    hosts: tuple[str, ...]
    paths: tuple[PathMatch, ...]
    methods: tuple[str, ...] | None
    """None: all."""
    service: Key | None
    """None: the route answers by itself (`respond`) or redirects."""
    login: bool
    levels: tuple[Level, ...]
    """Gateway's, route's, service's; empty means that nobody may pass."""
    blocks: dict[str, Block]
    """Effective blocks by feature name, levels merged. `access` and `login` are not here."""
    policy: str
    """Content hash of the policy record that `login` and `explain` look up."""
    place: Place = NOWHERE
    own: bool = False
    """True for routes of ours (sign-in host, callback)."""
    denied: str | None = None
    """Set when the block was faulty on a first start: all its traffic gets this sentence."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """Which level each part of `blocks` and `login` came from: `cors.origins` -> `gateway main`."""

    @property
    def identified(self) -> bool:
        """Whether anybody can be known here: a person by `login`, a program by `credentials`."""
        return self.login or "credentials" in self.blocks


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything one revision means."""

    trust_domain: str
    gateways: dict[Key, Gateway]
    services: dict[Key, Service]
    routes: tuple[Route, ...]
    sign_in: dict[Key, SignIn]
    """By gateway; empty when no route has `login`."""
    issuers: Mapping[str, Issuer] = field(default_factory=dict)
    """Who signs access tokens, by name."""
    warnings: tuple[str, ...] = field(default=())
