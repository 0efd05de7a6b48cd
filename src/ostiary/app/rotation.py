"""Signing keys grow old: publish the next one, wait for every proxy, use it.

Fed by the clock and the proxies' acknowledgements; feeds the pipeline with a new world. The next
key has been published ever since the last rotation, so the wait is short unless a proxy is away;
then the old key stays in use, and after a second period the status says so.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from ostiary.api.ports import Red
from ostiary.app.ledger import Ledger
from ostiary.errors import OstiaryError
from ostiary.store.keys import Keys
from ostiary.xds.server import XdsServer

PERIOD: Final = 7 * 86_400.0
"""Seconds a signing key is in use."""
RETIRED: Final = 86_400.0
"""Seconds a retired key stays published: longer than any token signed with it lives."""
_LOOK: Final = 60.0
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Rotation:
    """Keeps the signing key of `login` young."""

    keys: Keys
    ledger: Ledger
    xds: XdsServer
    publish: Callable[[], Awaitable[None]]
    """Compiles the accepted revision again, with the keys that are published now."""
    period: float = PERIOD
    look: float = _LOOK
    clock: Callable[[], float] = time.time
    _since: float = float("inf")
    """When the current key came into use, as of the last look; `inf` before the first."""

    async def run(self) -> None:
        """Rotates whenever it is time and every proxy is ready, until cancelled."""
        while True:
            try:
                await self._turn()
            except OstiaryError as error:  # the old key goes on until the store is back
                _log.error("signing keys not rotated", error=str(error))
            await asyncio.sleep(self.look)

    def behind(self) -> Sequence[str]:
        """Proxies that may not know the next key yet."""
        revision = self.ledger.revision
        if revision is None:
            return ["(no revision)"]
        current = revision.snapshot.revision
        held = {one.proxy for one in self.xds.status() if one.connected and one.accepted == current}
        return sorted(set(revision.snapshot.views) - held)

    def reds(self) -> Sequence[Red]:
        """A rotation that has waited for a whole second period."""
        behind = self.behind()
        if self._age() < 2 * self.period or not behind:
            return ()
        names = ", ".join(behind)
        sentence = (
            f"the signing key is not rotated, because these proxies may lack the next: {names}"
        )
        hint = "start them, or take them out of the document"
        return (Red("keys-waiting", "signing keys", sentence, hint),)

    async def _turn(self) -> None:
        self._since = await asyncio.to_thread(self.keys.in_use_since)
        if self._age() >= self.period and not self.behind():
            await asyncio.to_thread(self._rotate)
            await self.publish()

    def _age(self) -> float:
        return self.clock() - self._since

    def _rotate(self) -> None:
        now = self.clock()
        self.keys.promote(now)
        self.keys.forget_retired(now - RETIRED)
