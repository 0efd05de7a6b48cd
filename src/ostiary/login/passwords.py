"""Passwords: argon2id (RFC 9106, second recommended parameters), never on the event loop.

A small pool with a short queue: more guesses at once than that are told to come back, before they
cost 64 MiB each. An unknown account costs the same work as a wrong password.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from ostiary.errors import Refused

LONGEST: Final = 1024
"""Bytes of a password; the work of hashing grows with them."""
_THREADS: Final = 2
_QUEUE: Final = 16


def hash_password(password: str, hasher: PasswordHasher | None = None) -> str:
    """The argon2id string to keep for `password`; `Refused` when it cannot be one."""
    if not password or len(password.encode(errors="surrogatepass")) > LONGEST:
        raise Refused("password-invalid", f"a password has 1 to {LONGEST} bytes", "choose another")
    return (hasher or PasswordHasher()).hash(password)


class Passwords:
    """Verifies passwords, at most two at a time."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="argon2")
        self._waiting = 0
        self._dummy: str | None = None

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether `password` fits `stored`; None (no such account) takes as long and is False."""
        if self._waiting >= _THREADS + _QUEUE:
            raise Refused("busy", "too many people are signing in at this moment", "try again")
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, self._verify, stored, password)
        finally:
            self._waiting -= 1

    async def warm(self) -> None:
        """The next unknown account takes no longer than a known one."""
        await asyncio.get_running_loop().run_in_executor(self._pool, self._no_account)

    def close(self) -> None:
        """No thread is left."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _verify(self, stored: str | None, password: str) -> bool:
        fits = self._fits(stored or self._no_account(), password)
        return fits and stored is not None

    def _fits(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    def _no_account(self) -> str:
        if self._dummy is None:
            self._dummy = self._hasher.hash("nobody has this account")
        return self._dummy
