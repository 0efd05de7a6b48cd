"""What the admin API asks of the rest of the control plane. `app` implements it.

Every value here becomes JSON field by field, so a name in this file is a name in the API.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from ostiary.plan.effective import Effective
from ostiary.plan.explain import Explanation
from ostiary.plan.record import DecisionRecord


@dataclass(frozen=True, slots=True)
class AddressStatus:
    """Where a gateway's listener really listens."""

    listener: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class GatewayStatus:
    """One gateway of the accepted revision."""

    namespace: str
    name: str
    addresses: tuple[AddressStatus, ...]


@dataclass(frozen=True, slots=True)
class GuardStatus:
    """The guard inside a proxy, as its stream of verdicts tells."""

    version: str
    current: bool
    """Whether it enforces everything there is."""
    behind: float
    """Seconds for which it has not; 0 when it does."""
    applied: int
    """The number of the newest change it enforces."""
    entries: int
    refused: int
    """Verdicts that did not fit into its table."""
    told: float | None
    """Seconds since it last said so; None when it never did."""
    cuts: int
    """Streams it has ended."""


@dataclass(frozen=True, slots=True)
class ProxyStatus:
    """One Envoy that should be there."""

    id: str
    """Its SPIFFE id."""
    connected: bool
    revision: int | None
    """The newest revision it took without a refusal."""
    since: float
    """Seconds since 1970 of its last connect or disconnect; 0 when it never came."""
    guard: GuardStatus | None = None
    """None: no stream of verdicts is open; it has no guard, or lost its line."""


@dataclass(frozen=True, slots=True)
class RevisionStatus:
    """The revision that is served."""

    number: int
    hash: str
    time: float


@dataclass(frozen=True, slots=True)
class Red:
    """One thing that is wrong now, with its place and remedy."""

    code: str
    place: str
    """`file:line:column`, or the name of a process or proxy."""
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class LogStatus:
    """The decision log since it was made. `dropped > 0` is red."""

    written: int
    dropped: int
    kept: int


@dataclass(frozen=True, slots=True)
class Status:
    """All that `ostiary status` shows. It is green when `red` is empty."""

    revision: RevisionStatus | None
    """None: no document has ever been accepted."""
    gateways: tuple[GatewayStatus, ...]
    proxies: tuple[ProxyStatus, ...]
    red: tuple[Red, ...]
    warnings: tuple[str, ...]
    log: LogStatus


@dataclass(frozen=True, slots=True)
class User:
    """One local account, without its secrets."""

    name: str
    email: str
    groups: tuple[str, ...]
    disabled: bool


@dataclass(frozen=True, slots=True)
class JoinToken:
    """What a proxy on another machine is started with, once."""

    proxy: str
    token: str
    expires: float
    control_plane: str
    """`host:port` of the enrolment."""


@dataclass(frozen=True, slots=True)
class DecisionQuery:
    """Which records of the log are asked for; None: any."""

    limit: int = 50
    route: str | None = None
    subject: str | None = None
    denied: bool | None = None


@dataclass(frozen=True, slots=True)
class NewVerdict:
    """What an administrator asks for, as it was written."""

    kind: str
    key: str
    effect: str
    reason: str
    lasts: str | None
    """`1h`; None for ever."""
    score: int | None
    rate: str | None
    """`10/m`."""
    why: str
    """In words, for the audit log."""
    id: str | None
    """Given again, the same verdict is put and not a second one."""
    unknown_user: bool


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """One verdict that holds. Times are seconds since 1970."""

    id: str
    kind: str
    key: str
    effect: str
    reason: str
    source: str
    since: float
    expires: float | None
    score: int
    rate: int
    per: float


@dataclass(frozen=True, slots=True)
class Reached:
    """Which gateways enforce what was asked for, and which were connected and do not say so."""

    enforced: tuple[str, ...]
    missing: tuple[str, ...]
    seconds: float
    guarded: bool
    """False: the gateways have no guard, and tokens already issued live until they expire."""


@dataclass(frozen=True, slots=True)
class Given:
    """A verdict that was put."""

    verdict: VerdictRow
    reached: Reached


@dataclass(frozen=True, slots=True)
class OpenSession:
    """One session that was not ended."""

    sid: str
    account: str
    provider: str
    assurance: str
    created: float


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what to which verdict, and why."""

    time: float
    who: str
    deed: str
    verdict: str
    kind: str
    key: str
    effect: str
    reason: str
    why: str


class Trust(Protocol):
    """Trust given and withdrawn. Every method may raise `OstiaryError`; its sentence is sent."""

    async def put(self, new: NewVerdict) -> Given:
        """The verdict holds, and stands in the store."""

    async def lift(self, ids: Sequence[UUID], why: str) -> Reached:
        """None of them holds any more."""

    async def verdicts(self, kind: str | None, key: str | None) -> Sequence[VerdictRow]:
        """Those that hold, the newest first; None: any."""

    async def open_sessions(self, account: str | None) -> Sequence[OpenSession]:
        """Sessions that were not ended."""

    async def kill_session(self, sid: str) -> Reached:
        """The session is dead on every host."""

    async def disable_user(self, name: str) -> Reached:
        """The account cannot sign in, and nothing of it passes."""

    async def enable_user(self, name: str) -> Reached:
        """The account can sign in again."""

    async def audit(self, most: int, verdict: str | None) -> Sequence[AuditEntry]:
        """The newest entries of the audit log."""


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """What an administrator asks for; `lasts` is such as `90d`, None for ever."""

    name: str
    owner: str
    groups: Sequence[str]
    scopes: Sequence[str]
    lasts: str | None


@dataclass(frozen=True, slots=True)
class ApiKeyRow:
    """What is known of a key; never the key."""

    id: str
    name: str
    user: str
    groups: Sequence[str]
    scopes: Sequence[str]
    created: float
    expires: float | None


@dataclass(frozen=True, slots=True)
class MadeKey:
    """A new key, whose text is told this once."""

    key: ApiKeyRow
    text: str = field(repr=False)
    reached: Reached


class ApiKeys(Protocol):
    """`app.api_keys.KeyRing`."""

    async def create(self, new: NewApiKey, /) -> MadeKey:
        """The key exists."""

    async def keys(self) -> Sequence[ApiKeyRow]:
        """Those that were not revoked."""

    async def rotate(self, name: str, overlap: str, /) -> MadeKey:
        """The key has a successor."""

    async def revoke(self, name: str, /) -> Reached:
        """The key opens nothing any more."""


class ControlPlane(Protocol):
    """The running control plane. Every method may raise `OstiaryError`; its sentence is sent."""

    @property
    def trust(self) -> Trust:
        """Trust given and withdrawn."""

    @property
    def api_keys(self) -> ApiKeys:
        """Keys of programs."""

    async def status(self) -> Status:
        """How things are now."""

    async def explain(self, decision: str) -> Sequence[Explanation]:
        """One explanation a record of the id `decision`; empty: not recorded."""

    async def effective(self, route: str) -> Effective | None:
        """The route of the accepted revision; None: there is none of that name."""

    async def decisions(self, query: DecisionQuery) -> Sequence[DecisionRecord]:
        """The newest records that match, newest first."""

    async def users(self) -> Sequence[User]:
        """Every local account, by name."""

    async def add_user(self, name: str, email: str, groups: Sequence[str], password: str) -> User:
        """The account exists afterwards; `Refused` when the name is taken or the password poor."""

    async def join_token(self, proxy: str) -> JoinToken:
        """A single-use token for the proxy with the SPIFFE id (or plain name) `proxy`."""
