"""What `login` needs of others, as protocols: `store` has them all, `app` hands them in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from ostiary.identity.api_keys import ApiKey
from ostiary.identity.attempts import Counter
from ostiary.identity.directory import Directory
from ostiary.identity.exchange import Redeem, Redeemed, Refreshed
from ostiary.identity.issuers import Issuer
from ostiary.identity.model import Account, Code, Lifetimes, Session
from ostiary.identity.pending import Sealing
from ostiary.identity.rotation import Ended, Refresh, RefreshHandle
from ostiary.identity.tokens import SigningKey

T = TypeVar("T")
Mint = Callable[[Session, Account], T]
Person = tuple[Session, Account]


class AccountsPort(Protocol):
    """`store.accounts.Accounts`."""

    def find(self, name: str, /) -> Account | None:
        """The account of that exact name."""

    def admit(self, counters: Sequence[Counter], now: float, /) -> float:
        """0, and the attempt is counted; or the seconds to wait."""

    def forgive(self, counters: Sequence[Counter], /) -> None:
        """The attempt just admitted was a success."""

    def sweep(self, now: float, /) -> None:
        """Counters that no longer matter are gone."""


class SessionsPort(Protocol):
    """`store.sessions.Sessions`."""

    def open(
        self, session: Session, handle: RefreshHandle, replaces: str | None, address: str, /
    ) -> None:
        """`session` is alive, `handle` stored, the session it replaces dead."""

    def person(self, sid: str, /) -> Person | None:
        """Session and account as they are now."""

    def recognise(self, text: str, host: str, lifetimes: Lifetimes, now: float, /) -> Person | None:
        """Who holds the handle `text` on the sign-in host."""

    def why_not(self, text: str, host: str, lifetimes: Lifetimes, now: float, /) -> str | None:
        """Why its own handle `text` is good for nothing there any more, as a code."""

    def owner(self, text: str, /) -> str | None:
        """The sid whose handle `text` is."""

    def put_code(self, code: Code, /) -> None:
        """`code` can be redeemed once."""

    def redeem(self, asked: Redeem, mint: Mint[T], /) -> Redeemed[T] | Ended:
        """A first token for a code."""

    def refresh(self, asked: Refresh, mint: Mint[T], /) -> Refreshed[T] | Ended:
        """A new token for a handle."""

    def kill(self, sid: str, reason: str, now: float, /) -> int | None:
        """No token is minted for `sid` any more; the number of the verdict, None for no session."""

    def sweep(self, before: float, now: float, /) -> None:
        """What is over is gone."""


class KeysPort(Protocol):
    """`store.keys.Keys`."""

    def current(self) -> SigningKey:
        """The key to sign with."""

    def published(self) -> Sequence[SigningKey]:
        """Every key whose signatures count."""


class SitePort(Protocol):
    """`store.site.SiteStore`."""

    def directory(self) -> Directory:
        """The site directory of the current revision."""

    def get(self, name: str, /) -> str | None:
        """The text that the control plane put under `name`."""


class PoliciesPort(Protocol):
    """`store.revisions.Revisions`."""

    def policy(self, content: str, /) -> str | None:
        """The policy record stored under this content hash."""


class ApiKeysPort(Protocol):
    """`store.api_keys.ApiKeys`."""

    def find(self, sha256: str, /) -> ApiKey | None:
        """The key with that SHA-256, whether it works or not."""


class KeySetsPort(Protocol):
    """`app.key_sets.KeySets`."""

    def known(self, issuer: Issuer, /) -> str:
        """The keys of `issuer` that were fetched last; none yet: a set without keys."""

    def fetch(self, issuer: Issuer, /) -> str:
        """The keys of this moment, stored for everybody; `OstiaryError` when it does not answer."""


@dataclass(frozen=True, slots=True)
class Enforced:
    """How far a verdict has come: how many gateways enforce it, and the names of those late."""

    gateways: int
    late: tuple[str, ...]
    seconds: float


Enforce = Callable[[int], Awaitable[Enforced]]
"""Waits at most a second until every gateway enforces what has this number; `Unreachable` when
the control plane is away, and then it comes later."""


@dataclass(frozen=True, slots=True)
class Stores:
    """All of them together."""

    accounts: AccountsPort
    sessions: SessionsPort
    keys: KeysPort
    site: SitePort
    policies: PoliciesPort
    seal: Sealing
    enforce: Enforce | None = None
    """None: the gateways have no guard."""
    key_sets: KeySetsPort | None = None
    """None: no access token counts."""
    api_keys: ApiKeysPort | None = None
    """None: no API key counts."""
