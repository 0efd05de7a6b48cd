"""API keys as an administrator makes and revokes them: durable first, then told to every guard.

Fed by `api`; feeds the store and the guards.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass

from ostiary.api.ports import ApiKeyRow, MadeKey, NewApiKey, Reached
from ostiary.app.guards import Guards
from ostiary.errors import Refused
from ostiary.identity.api_keys import SECRET_BITS, ApiKey, digest, write_key
from ostiary.store.api_keys import ApiKeys
from ostiary.trust.spelling import seconds_of

_WHO = "administrator"
_NAME = 80


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Implements `api.ports.ApiKeys`."""

    store: ApiKeys
    guards: Guards
    guarded: bool
    """Whether the gateways have a guard; without one no key counts."""

    async def create(self, new: NewApiKey) -> MadeKey:
        """The key exists; its text is in the answer and nowhere else."""
        self._need_guard()
        if not new.name or len(new.name) > _NAME or not new.name.isprintable():
            raise Refused("key-name", f"{new.name!r} names no key", "1 to 80 printable letters")
        now = time.time()
        text = write_key(secrets.randbits(SECRET_BITS))
        lives = seconds_of(new.lasts) if new.lasts else 0.0
        key = ApiKey(
            sha256=digest(text),
            name=new.name,
            owner=new.owner,
            groups=tuple(new.groups),
            scopes=tuple(new.scopes),
            created=now,
            expires=now + lives if lives else 0.0,
        )
        seq = await asyncio.to_thread(self.store.add, key, _WHO)
        return MadeKey(_row(key), text, await self._told(seq))

    async def keys(self) -> Sequence[ApiKeyRow]:
        """Those that were not revoked, the newest first."""
        return [_row(one) for one in await asyncio.to_thread(self.store.all)]

    async def rotate(self, name: str, overlap: str) -> MadeKey:
        """The key has a successor; itself it works for as long as `overlap` says."""
        self._need_guard()
        text, lasts = write_key(secrets.randbits(SECRET_BITS)), seconds_of(overlap)
        made = await asyncio.to_thread(
            self.store.replace, name, digest(text), lasts, time.time(), _WHO
        )
        order = await asyncio.to_thread(self.guards.verdicts.order)
        return MadeKey(_row(made), text, await self._told(order.seq))

    async def revoke(self, name: str) -> Reached:
        """The key opens nothing any more."""
        return await self._told(await asyncio.to_thread(self.store.revoke, name, time.time(), _WHO))

    async def _told(self, seq: int) -> Reached:
        if not self.guarded:
            return Reached((), (), 0.0, guarded=False)
        receipt = await self.guards.told(seq)
        return Reached(receipt.enforced, receipt.missing, receipt.seconds, guarded=True)

    def _need_guard(self) -> None:
        if not self.guarded:
            raise Refused(
                "guard-missing",
                "no API key would count: the gateways run without the guard",
                "install the wheel `ostiary-guard` beside Ostiary and start again",
            )


def _row(one: ApiKey) -> ApiKeyRow:
    return ApiKeyRow(
        one.id,
        one.name,
        one.user,
        one.groups,
        one.scopes,
        one.created,
        one.expires or None,
    )
