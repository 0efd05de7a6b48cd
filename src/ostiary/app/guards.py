"""The verdicts' part of the control plane: the stream to the guards, the knock of `login`, faults.

Fed by the store; feeds the guards, `login` and the status page.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import structlog

from ostiary.api.ports import GuardStatus as Status
from ostiary.api.ports import Red
from ostiary.errors import OstiaryError, Unreachable
from ostiary.store.verdicts import Verdicts
from ostiary.verdicts.fanout import ValkeyFanout
from ostiary.verdicts.hub import Hub
from ostiary.verdicts.poke import answer_pokes
from ostiary.verdicts.ports import GuardStatus, Receipt

_PRUNE_EVERY: Final = 3600.0
"""Seconds between two looks for entries of the audit log that are too old."""
_log = structlog.get_logger(__name__)
_LATE: Final = 2.0
"""Seconds after which a guard that has not everything is red."""
_GREETING: Final = 3.0
"""Seconds after our start in which guards may still be on their way."""
_PATIENCE: Final = 1.0
"""Seconds that whoever gave a verdict waits for all guards."""


class Guards:
    """Lives on the control plane's event loop."""

    def __init__(
        self,
        verdicts: Verdicts,
        proxies: Callable[[], Collection[str]],
        socket: Path,
        *,
        fanout: str = "",
        audit_kept: float = 0.0,
    ) -> None:
        """`proxies()` are those of the accepted revision; `socket` is where `login` knocks.

        `fanout` is a URL, or empty for a single control plane. The audit log keeps what is over for
        `audit_kept` seconds; 0 for ever.
        """
        self._audit_kept = audit_kept
        self.verdicts = verdicts
        self._proxies = proxies
        self._socket = socket
        self._begun = time.monotonic()
        self._fanout = ValkeyFanout(fanout) if fanout else None
        self.hub = Hub(verdicts, lambda one: one in proxies(), fanout=self._fanout)

    async def run(self) -> None:
        """Serves until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.hub.run())
                group.create_task(answer_pokes(self._socket, self.told))
                if self._audit_kept:
                    group.create_task(self._prune())
        finally:
            if self._fanout is not None:
                await self._fanout.close()

    async def _prune(self) -> None:
        while True:
            now = time.time()
            try:
                await asyncio.to_thread(self.verdicts.prune_audit, now - self._audit_kept, now)
            except OstiaryError as error:
                _log.warning("the audit log is not pruned", error=str(error))
            await asyncio.sleep(_PRUNE_EVERY)

    async def told(self, seq: int) -> Receipt:
        """What the store has up to `seq` is enforced by all, or they are named, after a second.

        A proxy that should be there and whose guard is not connected is among those named: it may
        be serving, by what it knew before. So are all of them when the store, which has it, cannot
        be read a moment later.
        """
        receipt = Receipt(seq, (), (), _PATIENCE)
        with suppress(TimeoutError, Unreachable):
            async with asyncio.timeout(_PATIENCE):
                await self.hub.push()
            receipt = await self.hub.settled(seq, _PATIENCE)
        missing = {*receipt.missing, *self._proxies()} - {*receipt.enforced}
        return replace(receipt, missing=tuple(sorted(missing)))

    def status(self) -> dict[str, Status]:
        """By proxy; of several Envoys with one id, the one that is furthest behind."""
        found: dict[str, Status] = {}
        for one in sorted(self.hub.status(), key=lambda one: one.applied, reverse=True):
            found[one.proxy] = Status(
                version=one.guard,
                current=one.current,
                behind=one.behind,
                applied=one.applied,
                entries=one.entries,
                refused=one.refused,
                told=one.told,
                cuts=one.cuts,
            )
        return found

    def reds(self, connected: Iterable[str], *, wanted: bool) -> list[Red]:
        """What is wrong with the guards of the `connected` proxies, if there should be any."""
        lines = self.hub.status()
        found = [red for one in lines if (red := _red(one)) is not None]
        if self.hub.trouble:
            hint = "guards go on with what they know; `stale_after` says for how long"
            found.append(Red("verdicts-unread", "store", self.hub.trouble, hint))
        streaming = {one.proxy for one in lines}
        if wanted and time.monotonic() - self._begun > _GREETING:
            hint = "it enforces what it knew; its agent's log says what the guard is waiting for"
            found += [
                Red("guard-away", proxy, "this proxy's guard gets no verdicts", hint)
                for proxy in connected
                if proxy not in streaming
            ]
        return found


def _red(one: GuardStatus) -> Red | None:
    if one.refused:
        return Red(
            "guard-full",
            one.proxy,
            f"{one.refused} verdicts did not fit into the table of this proxy's guard",
            "routes with `trust` refuse requests there; lift what is no longer needed",
        )
    if one.behind > _LATE:
        return Red(
            "guard-behind",
            one.proxy,
            f"this proxy has not enforced the newest verdicts for {one.behind:.0f} s",
            "its machine or its line is too slow; it enforces what it got before",
        )
    return None
