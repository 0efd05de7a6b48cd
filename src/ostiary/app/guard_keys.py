"""The public keys of all guards go into the store, where `login` finds them for applications.

Fed by the hub; feeds the store.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Final

import structlog

from ostiary.errors import OstiaryError
from ostiary.identity.guard_keys import GUARD_KEYS, renewed
from ostiary.store.site import SiteStore
from ostiary.verdicts.hub import Hub

_LOOK: Final = 0.5
"""Seconds between two looks at who is connected."""
_AGAIN: Final = 600.0
"""Seconds after which the store is told again who is still here."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class GuardKeys:
    """Keeps the store's list up to date; another control plane may add to it."""

    hub: Hub
    site: SiteStore

    async def run(self) -> None:
        """Until cancelled."""
        told: set[bytes] = set()
        again = 0.0
        while True:
            here = set(self.hub.signing_keys())
            if here - told or (here and time.monotonic() >= again):
                try:
                    await asyncio.to_thread(self._write, here)
                    told, again = here, time.monotonic() + _AGAIN
                except OstiaryError as error:
                    _log.warning("the guards' keys are not published", error=str(error))
            await asyncio.sleep(_LOOK)

    def _write(self, here: set[bytes]) -> None:
        self.site.put(GUARD_KEYS, renewed(self.site.get(GUARD_KEYS), here, time.time()))
