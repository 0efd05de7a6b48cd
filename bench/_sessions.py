"""Session cookies as sign-in gives them, minted with the installation's own key."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from pathlib import Path

from ostiary.compiler.world import ISSUER
from ostiary.identity.directory import Door
from ostiary.identity.model import Account, Session
from ostiary.identity.rotation import FAMILY_BYTES, SECRET_BYTES, PlainHandle, first_handle
from ostiary.identity.tokens import Subject, mint
from ostiary.store.accounts import Accounts
from ostiary.store.database import Database
from ostiary.store.keys import Keys
from ostiary.store.seal import Seal
from ostiary.store.sessions import Sessions
from ostiary.store.site import SiteStore
from ostiary.wire import REFRESH_COOKIE, SESSION_COOKIE


class SignedIn:
    """People who are signed in at one host of the installation in `state`."""

    def __init__(self, state: Path, host: str) -> None:
        self._database = Database.in_folder(state)
        self._key = Keys(self._database, Seal.in_folder(state)).current()
        door = SiteStore(self._database).directory().door(host)
        if door is None:
            raise LookupError(f"{host} has no sign-in")
        self._door: Door = door

    def cookies(self, count: int, groups: Sequence[str]) -> list[str]:
        """`count` cookie headers, each of another person and session, all in `groups`."""
        return [self._cookie(f"person{number}", groups) for number in range(count)]

    def refreshable(self, groups: Sequence[str], age: float) -> tuple[str, str]:
        """A stored session: a session cookie that was issued `age` seconds ago, and its handle."""
        name, now = f"person-{secrets.token_hex(4)}", time.time()
        account = Account(name, f"{name}@bench.example", tuple(groups), now - age)
        session = _session(account, now - age)
        Accounts(self._database).add(account)
        handle = PlainHandle(secrets.token_bytes(FAMILY_BYTES), secrets.token_bytes(SECRET_BYTES))
        kept = first_handle(handle, session.sid, self._door.host, now)
        Sessions(self._database).open(session, kept, None)
        token = self._mint(account, session, now - age)
        return f"{SESSION_COOKIE}={token}", f"{REFRESH_COOKIE}={handle}"

    def _cookie(self, name: str, groups: Sequence[str]) -> str:
        now = time.time()
        account = Account(name, f"{name}@bench.example", tuple(groups), now)
        return f"{SESSION_COOKIE}={self._mint(account, _session(account, now), now)}"

    def _mint(self, account: Account, session: Session, now: float) -> str:
        subject = Subject(session, account, self._door)
        return mint(self._key, ISSUER, subject, now, secrets.token_hex(16)).token


def _session(account: Account, now: float) -> Session:
    return Session(secrets.token_hex(16), account.name, "local", "password", now, now)
