"""Listeners whose port was taken are offered again until the port is free.

Fed by the refusals in the ledger; feeds `xds`. Nothing in the document would change when the other
program ends, so nobody else would ever try again.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from ostiary.app.ledger import Ledger
from ostiary.compiler.resources import LISTENER
from ostiary.xds.server import XdsServer

_PERIOD: Final = 2.0
"""Seconds between two offers."""
_TAKEN: Final = "Address already in use"
"""In Envoy's refusal of a listener (`strerror` of EADDRINUSE)."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Tries taken ports again."""

    ledger: Ledger
    xds: XdsServer

    async def run(self) -> None:
        """Every refused listener is offered again from time to time, until cancelled."""
        while True:
            await asyncio.sleep(_PERIOD)
            self.look()

    def look(self) -> None:
        """Refused ones are offered again; those that were taken meanwhile are no longer red."""
        for (proxy, name), refusal in list(self.ledger.refusals.items()):
            if _TAKEN in refusal.reason and not self.xds.again(proxy, LISTENER, name):
                del self.ledger.refusals[proxy, name]
