"""The contract of a feature: a frozen block that a person writes, and the fragment it becomes.

A feature is one file. It holds the `Block` subclass, the `stage` of each HTTP filter it uses and
`fragment()`, which *returns* values; only the fold in `compiler/` writes. Equal fragments join,
different ones raise `CompileError`. To add a feature: that file, one line on the noun in
`language/`, one golden page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import ClassVar

from google.protobuf.message import Message
from pydantic import BaseModel, ConfigDict

from ostiary.names import Key
from ostiary.policy.rules import Level
from ostiary.protos.messages import route


class Stage(IntEnum):
    """The order of HTTP filters, top to bottom. The order is the security argument."""

    SHED = 10
    """Drop what floods us (per-address limits) before anything costs CPU."""
    PAGES = 15
    """Drop what floods our own pages, for anybody may ask them and they are Python."""
    CORS = 20
    """Answer a true preflight of an allowed origin: it carries no credentials to check."""
    WAF_HEAD = 30
    """Look at the head for attacks: it needs no identity, and whoever attacks gets none. It sees
    answers last, as the client would."""
    WHO = 40
    """Verify credentials: nothing below may read an unverified one."""
    TRUST = 45
    """The same where nobody signs in: no rule below asks a denied address anything."""
    GATE = 60
    """Ask the route's own rules, to know whether the slow path is needed. Refuse forged cross-site
    requests before it could refresh their session, and strangers: they must not buy Python time.
    One filter, three features; they join by the name of their policy."""
    SLOW = 65
    """Run the next two stages, unless the rules said "allowed": they only prepare for `MAY`."""
    TURNS = 70
    """One account may not ask the slow path without end, and so crowd the others out."""
    LOGIN = 75
    """The slow path: refresh, redirect, refusal page."""
    HANDOVER = 80
    """Verify what `login` handed over; missing is allowed, for the next stage enforces."""
    MAY = 90
    """Enforce the rules: the only stage that lets a request pass, deny by default."""
    HOW_MUCH = 100
    """Limits per identity, counted only for those who may."""
    WAF_BODY = 105
    """Look at the body for attacks: only of who may, so that no stranger makes us hold one."""
    HYGIENE = 110
    """Take our cookies out of the request."""
    FORGERIES = 112
    """Take cookies that only we may set out of the application's answer."""
    WHOLE = 115
    """Hold a form for a page of ours until all of it is here: slow senders occupy no `login`."""
    ROUTE = 120
    """Forward."""

    @property
    def slot(self) -> str:
        """`ostiary.<stage>`: name of the filter, of its ECDS resource and of per-route config."""
        return f"ostiary.{self.name.lower()}"

    @property
    def slow(self) -> bool:
        """Inside `SLOW`: no place of its own in the chain, on where that is on."""
        return self in {Stage.TURNS, Stage.LOGIN}


class Merge(StrEnum):
    """How a field of a lower level combines with the one above: `Annotated[..., Merge.X]`."""

    MIN = "min"
    MAX = "max"
    SUBSET = "subset"
    """Only what both allow; the lower level may not name more than the upper."""
    ORDERED = "ordered"
    """One of several words, the strictest first; a lower level may only go towards it."""
    UNION = "union"
    OWN = "own"
    """No security meaning: the nearest level wins."""


class Block(BaseModel):
    """What a person writes under one feature's key. Closed, frozen, strict."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    feature: ClassVar[str]
    """The key in the document; the same word in docs and errors."""

    def fragment(self, site: Site) -> Fragment:
        """What this block asks of one route at one gateway."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules of `waf` as they travel to the guard. Equal names mean equal rules."""

    name: str
    """`core`, or the content hash."""
    core: bool
    """Whether the pack that is compiled into the guard stands before the others."""
    packed: str = field(default="", repr=False)
    """Base64 of the compressed sources; empty when there is only the core pack."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What looking into requests may cost a gateway, all routes together."""

    budget: int = 100_000
    """Microseconds of work a second that one address may cause where nobody signs in."""
    burst: int = 500_000
    """Microseconds of that at once."""
    buffer: int = 64 << 20
    """Bytes of bodies that are held at once."""


@dataclass(frozen=True, slots=True)
class SignInSite:
    """What a feature must know about sign-in at a gateway."""

    host: str
    """`login.<domain>`."""
    origin: str
    """`https://login.<domain>:8443`, with the port unless it is 443."""
    group_set: str
    """`gv`: the hash of all group names that policies name."""


@dataclass(frozen=True, slots=True)
class ListenerSite:
    """What the filters of one HTTPS listener share; the same for every route on it."""

    issuer: str
    """`iss` of every token of ours."""
    jwks: str
    """Public signing keys, the next one included, as a JSON Web Key set."""
    authz_cluster: str
    """Where the slow path is called."""
    port: int
    """The listener's port, for the address that a stranger returns to."""
    sign_in: SignInSite | None
    """None when no route of this gateway has `login`."""
    token_lifetime: int
    """Seconds; a session token with a longer remaining life is not accepted."""
    absolute_lifetime: int
    """Seconds after which a token of ours proves nothing at all any more."""
    offline_grace: int
    """Seconds a token may be expired while `login` does not answer; 0 for not at all."""
    guard: bool = False
    """Whether the proxy has the guard, which then takes the place of several filters."""
    issuers: str = "{}"
    """Who signs access tokens: JSON, name to what the guard is told."""
    rule_sets: tuple[RuleSet, ...] = ()
    """Every rule set that a route of the gateway names, in the order of their names."""
    bounds: Bounds = Bounds()


@dataclass(frozen=True, slots=True)
class Site:
    """Where a block stands: one route on one host of one gateway, all defaults resolved."""

    route: Key
    host: str
    """Lower case, no port; `*.x.example` for a wildcard."""
    origin: str
    """`https://host:port` as a browser spells it (no port when it is the scheme's own)."""
    levels: tuple[Level, ...]
    """Every `access` the request must pass, gateway first."""
    policy: str
    """Content hash of the route's policy record; see `plan.policy`."""
    sign_in: SignInSite | None
    """None when the route has no `login`."""
    blocks: Mapping[str, Block] = field(default_factory=dict)
    """The other blocks of the same route by feature name, for features that must agree (cors)."""
    cookies: bool = False
    """Whether cookies of ours can exist on this host: some route of it has `login`."""
    guard: bool = False
    """Whether the proxy has the guard."""


@dataclass(frozen=True, slots=True)
class Filter:
    """One HTTP filter slot on the listener. The same name always carries the same config."""

    stage: Stage
    name: str
    """`stage.slot`."""
    config: Message
    """The listener-level config (goes to ECDS); off except where a route turns it on."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """What one block asks for. The fold joins by name."""

    filters: tuple[Filter, ...] = ()
    per_route: Mapping[str, Message] = field(default_factory=dict)
    """Filter name -> its per-route message; naming a filter here turns it on for the route.

    Policies of several features in one RBAC filter are joined."""
    route: route.Route | None = None
    """A partial route, merged into the route; scalars may not clash."""
