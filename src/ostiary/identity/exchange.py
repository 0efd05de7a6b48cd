"""What `login` asks of the store when something is to be minted, and what it gets.

Fed by `login`; feeds `store.sessions`, which calls `mint` inside its transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from ostiary.identity.model import Account, Code, Lifetimes, Session
from ostiary.identity.rotation import PlainHandle

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Refreshed(Generic[T]):
    """Granted; `plain` is the handle the browser holds from now on."""

    minted: T
    session: Session
    account: Account
    plain: PlainHandle


@dataclass(frozen=True, slots=True)
class Redeem:
    """A browser on `host` presents the code of `digest` and the `start` of its own cookie."""

    digest: str
    host: str
    start: str
    lifetimes: Lifetimes
    now: float
    plain: PlainHandle
    """The first handle of a new family."""
    address: str = ""
    """Where the browser is, as the gateway found it; empty when nobody knows."""


@dataclass(frozen=True, slots=True)
class Redeemed(Generic[T]):
    """Granted: the code is used up. `recent` counts this session's codes here, this one too."""

    minted: T
    session: Session
    code: Code
    recent: int
