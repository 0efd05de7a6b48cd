"""Minting: the current key, fresh ids and the clock, for `identity.tokens`, which has none.

Fed by the store's keys; feeds the callback and the slow path.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final

from ostiary.identity.codes import CODE_BYTES
from ostiary.identity.cookies import set_cookie
from ostiary.identity.directory import Door
from ostiary.identity.model import Account, Session
from ostiary.identity.rotation import FAMILY_BYTES, SECRET_BYTES, PlainHandle
from ostiary.identity.tokens import Minted, Subject, mint
from ostiary.login.ports import KeysPort
from ostiary.wire import REFRESH_COOKIE, SESSION_COOKIE

_ID_BYTES: Final = 16


def minter(
    keys: KeysPort, issuer: str, door: Door, now: float
) -> Callable[[Session, Account], Minted]:
    """A function that mints for whoever the store finds, at `door`."""
    key = keys.current()

    def for_person(session: Session, account: Account) -> Minted:
        return mint(key, issuer, Subject(session, account, door), now, new_id())

    return for_person


def session_cookies(minted: Minted, plain: PlainHandle) -> tuple[str, str]:
    """The two `Set-Cookie` values of an application host.

    Both live as long as the session may: an expired token still proves that it was ours.
    """
    return (
        set_cookie(SESSION_COOKIE, minted.token, minted.max_age),
        set_cookie(REFRESH_COOKIE, str(plain), minted.max_age),
    )


def new_id() -> str:
    """128 random bits in hex."""
    return secrets.token_hex(_ID_BYTES)


def new_secret() -> bytes:
    """The secret of a refresh handle."""
    return secrets.token_bytes(SECRET_BYTES)


def new_handle() -> PlainHandle:
    """A handle of a new family."""
    return PlainHandle(secrets.token_bytes(FAMILY_BYTES), new_secret())


def new_code() -> str:
    """A one-time code, fit for a query string."""
    return secrets.token_urlsafe(CODE_BYTES)
