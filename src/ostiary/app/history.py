"""What was accepted, by whom, and what was refused: written down behind the proxies' backs.

Fed by the change loop and the ledger; feeds the store. Many saves in a row become one entry, so
that a storm of edits does not wait for the disk.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog

from ostiary.app.ledger import Ledger
from ostiary.errors import OstiaryError
from ostiary.store.revisions import Refusal, Revisions

_PAUSE: Final = 0.5
"""Seconds between two entries at least."""
_log = structlog.get_logger()


@dataclass(slots=True)
class History:
    """Keeps the store up to date with the ledger, in the background."""

    revisions: Revisions
    ledger: Ledger
    _accepted: Mapping[str, str] | None = None
    """The sources of the accepted revision that are not written yet."""
    _known: set[tuple[int, str, str]] = field(default_factory=set)
    """What was written of the newest number: (number, proxy, what it refused or nothing)."""

    def keep(self, sources: Mapping[str, str]) -> None:
        """`sources` (file name to text) were accepted as a whole and will be written."""
        self._accepted = dict(sources)
        self.ledger.unsaved.set()

    async def run(self) -> None:
        """Writes whenever there is news, until cancelled."""
        while True:
            await self.ledger.unsaved.wait()
            self.ledger.unsaved.clear()
            try:
                await self._write()
            except OstiaryError as error:
                _log.error("the history could not be written", error=str(error))
            await asyncio.sleep(_PAUSE)

    async def _write(self) -> None:
        revision, sources = self.ledger.revision, self._accepted
        if revision is None:
            return
        if sources is not None:
            content, now = content_hash(sources), time.time()
            kept = await asyncio.to_thread(self.revisions.accept, content, sources, now)
            self.ledger.number = kept.number
            await asyncio.to_thread(self.revisions.prune)
            if self._accepted is sources:
                self._accepted = None
        current = revision.snapshot.revision
        holders = [proxy for proxy, held in self.ledger.taken.items() if held == current]
        refusals = tuple(self.ledger.refusals.values())
        await asyncio.to_thread(self._write_proxies, self.ledger.number, holders, refusals)

    def _write_proxies(
        self, number: int, holders: list[str], refusals: tuple[Refusal, ...]
    ) -> None:
        refusing = {one.proxy for one in refusals}
        for proxy in holders:
            if proxy not in refusing and self._is_news(number, proxy, ""):
                self.revisions.taken(number, proxy, time.time())
        for one in refusals:
            if self._is_news(number, one.proxy, f"{one.resource}\0{one.reason}"):
                self.revisions.refused(number, one)

    def _is_news(self, number: int, proxy: str, what: str) -> bool:
        if not number or (number, proxy, what) in self._known:
            return False
        self._known = {one for one in self._known if one[0] == number}
        self._known.add((number, proxy, what))
        return True


def content_hash(sources: Mapping[str, str]) -> str:
    """One hash for all watched files: names and texts."""
    texts = "".join(f"{name}\0{sources[name]}\0" for name in sorted(sources))
    return hashlib.sha256(texts.encode()).hexdigest()[:16]
