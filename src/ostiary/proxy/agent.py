"""The life of one proxy: identity, relay, spare, Envoy, in this order.

`app` calls `run_agent` in a process of its own (one agent per Envoy) and cancels it to end it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from ostiary.errors import OstiaryError, Refused, Unreachable
from ostiary.proxy.control import PATIENCE, ControlPlane
from ostiary.proxy.envoy import Command, Envoy
from ostiary.proxy.events import Deaf, Event, Live, Tell, Told, Trouble
from ostiary.proxy.folder import Folder
from ostiary.proxy.guard import Guard, state, try_out
from ostiary.proxy.identity import Identity, JoinToken
from ostiary.proxy.ports import require_free
from ostiary.proxy.relay import Relay, ServeSpare
from ostiary.proxy.spare import SpareStore

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Settings:
    """One proxy, in plain values."""

    folder: Path
    """Its own, 0700; made if missing."""
    spiffe_id: str
    enrolment: Sequence[tuple[str, int]]
    """Where Join is answered (no client certificate)."""
    control: Sequence[tuple[str, int]]
    """Where xDS, Renew and Snapshot are answered (mutual TLS)."""
    bundle: bytes
    """PEM of the workload authority's root: pins the control plane."""
    envoy: Path
    bootstrap: Callable[[], bytes]
    """Serialised Bootstrap; paths in it are relative to the folder (see `folder`)."""
    listeners: Sequence[tuple[str, int]]
    """Addresses the proxy will listen on; they must be free."""
    join_token: JoinToken
    serve_spare: ServeSpare
    tell: Tell
    poll: float = 2.0
    """Seconds between two looks for a new snapshot."""
    guard: Guard | None = None
    """What the bootstrap loads into Envoy; None when it loads nothing."""
    concurrency: int = 1
    log_level: str = "warning"


async def run_agent(settings: Settings) -> None:
    """Runs until cancelled; no process, socket or lock is left then.

    Raises `Refused` when the folder or a port is not ours to take, when the control plane refuses
    the join token, or when Envoy does not start with the guard.
    """
    for address, port in settings.listeners:
        require_free(address, port)
    folder = Folder(settings.folder)
    control = ControlPlane(
        settings.spiffe_id, enrolment=settings.enrolment, control=settings.control
    )
    try:
        await _run(settings, folder, control)
    except BaseExceptionGroup as group:
        raise _first(group) from group
    finally:
        await control.close()
        folder.close()


async def _run(settings: Settings, folder: Folder, control: ControlPlane) -> None:
    identity = Identity(folder, settings.spiffe_id, control, settings.bundle, settings.join_token)
    await identity.ensure()
    if settings.guard is not None:
        await try_out(settings.guard, settings.envoy, folder, settings.bootstrap())
    spares = SpareStore(folder, settings.spiffe_id)
    relay = Relay(
        folder,
        identity,
        spares,
        control=settings.control,
        serve_spare=settings.serve_spare,
        tell=settings.tell,
    )

    poll = _Poll(settings, control, identity, spares, relay)

    def tell(event: Event) -> None:
        relay.hear(event)
        if isinstance(event, Live):
            poll.soon.set()
        settings.tell(event)

    command = Command(
        settings.envoy,
        settings.bootstrap,
        settings.listeners,
        settings.concurrency,
        settings.log_level,
        settings.guard,
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(identity.run())
        group.create_task(relay.run())
        group.create_task(poll.run())
        group.create_task(Envoy(folder, command, tell).run())
        if settings.guard is not None:
            group.create_task(_listen_to_guard(folder, settings))


@dataclass(frozen=True, slots=True)
class _Poll:
    """Keeps the spare up to date, and by the way knows whether the control plane answers."""

    settings: Settings
    control: ControlPlane
    identity: Identity
    spares: SpareStore
    relay: Relay
    soon: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when it is worth to look at once."""

    async def run(self) -> None:
        failures, told = 0, ""
        while True:
            trouble = ""
            try:
                await self._once()
                failures = 0
            except Unreachable:
                failures += 1
            except Refused as error:
                failures, trouble = 0, str(error)
                if trouble != told:
                    _log.error("no snapshot", id=self.settings.spiffe_id, error=trouble)
                    self.settings.tell(Trouble(error.code, error.message, error.hint))
            told = trouble
            await self._judge(failures)
            await self._wait(min(self.settings.poll, _HASTE) if failures else self.settings.poll)

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.soon.wait()
        self.soon.clear()

    def _starting(self) -> bool:
        """Whether Envoy waits for a configuration that the spare could give."""
        return self.spares.held and not self.relay.live

    async def _once(self) -> None:
        bundle, patience = self.identity.bundle, _SHORT if self._starting() else PATIENCE
        request = self.spares.request()
        answer = await self.control.snapshot(self.identity.pair, bundle, request, patience)
        await asyncio.to_thread(self.spares.accept, answer, bundle)

    async def _judge(self, failures: int) -> None:
        if failures == 0:
            await self.relay.control_plane_back()
        elif failures >= _PATIENCE or self._starting():
            await self.relay.control_plane_away()


async def _listen_to_guard(folder: Folder, settings: Settings) -> None:
    """Tells once when verdicts begin to arrive, and once when they have stopped to."""
    told: bool | None = None
    missed = 0
    while True:
        now = await state(folder)
        missed = 0 if now is None or now.connected else missed + 1
        if now is not None and now.connected and not told:
            told = True
            settings.tell(Told(now.entries))
        elif told is not False and missed >= _PATIENCE:
            told = False
            _log.warning("the guard gets no verdicts", id=settings.spiffe_id, state=now)
            settings.tell(Deaf())
        await asyncio.sleep(settings.poll)


_HASTE = 0.5
"""Seconds between two looks while the control plane does not answer."""
_PATIENCE = 2
"""Looks in a row that must fail before live connections are taken away."""
_SHORT = 1.5
"""Seconds a control plane has to answer while an Envoy waits."""


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The fault to show: a group of one fault in words is that fault."""
    ours = [error for error in group.exceptions if isinstance(error, OstiaryError)]
    return ours[0] if ours else group.exceptions[0]
