"""Envoy's way to the control plane: through the agent, and to the spare when nobody answers.

Envoy connects to a unix socket. Each connection is spliced to the control plane, so that Envoy's
mutual TLS is end to end. An Envoy that starts while the control plane is away is spliced to a local
server that serves the last good snapshot under the proxy's own certificate; a live one keeps what
it has, which may be newer than the snapshot. When the control plane is back, local connections are
closed and Envoy comes again. Fed by `agent`; feeds Envoy.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

import grpc
import structlog

from ostiary.errors import Refused
from ostiary.proxy.events import Away, Died, Event, Live, OnSpare, Tell, Through
from ostiary.proxy.folder import CONTROL_SOCKET, SPARE_SOCKET, Folder
from ostiary.proxy.identity import Identity
from ostiary.proxy.spare import Spare, SpareStore
from ostiary.proxy.splice import End

_CONNECT: Final = 1.0
"""Seconds a replica has to take the connection."""
_log = structlog.get_logger()

Stop: TypeAlias = Callable[[], Awaitable[None]]
ServeSpare: TypeAlias = Callable[[str, grpc.ServerCredentials, Spare], Awaitable[Stop]]
"""Serves a snapshot as delta ADS on a gRPC address until the returned function is called.

The address lies in the proxy's own folder, and the credentials require a certificate of our
workload authority: nobody but the proxy gets there.
"""


class Relay:
    """Takes Envoy's control connections in the proxy's folder while `run()` runs."""

    def __init__(
        self,
        folder: Folder,
        identity: Identity,
        spares: SpareStore,
        *,
        control: Sequence[tuple[str, int]],
        serve_spare: ServeSpare,
        tell: Tell,
    ) -> None:
        self._folder = folder
        self._identity = identity
        self._spares = spares
        self._control = control
        self._serve_spare = serve_spare
        self._tell = tell
        self._away = False
        self.live = False
        """Whether Envoy has a configuration that it can go on with."""
        self._through: set[End] = set()
        self._local: set[End] = set()
        self._stop: Stop | None = None
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def hear(self, event: Event) -> None:
        """Only an Envoy that is not live yet is given the spare."""
        if isinstance(event, Live | Died):
            self.live = isinstance(event, Live)

    async def run(self) -> None:
        """Relays until cancelled; leaves no connection, server or socket behind."""
        listening = _listen(self._folder)
        loop = asyncio.get_running_loop()
        server = await loop.create_unix_server(lambda: End(self._accept), sock=listening)
        try:
            await loop.create_future()
        finally:
            server.close()
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            _cut(self._through | self._local)
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._stop_spare()
            (self._folder.path / CONTROL_SOCKET).unlink(missing_ok=True)

    async def control_plane_away(self) -> None:
        """Every connection goes to the spare from now on."""
        if not self._away:
            self._away = True
            _log.warning("control plane away", id=self._identity.spiffe_id)
            _cut(self._through)
            self._tell(Away())

    async def control_plane_back(self) -> None:
        """Every connection goes through from now on; local ones are closed."""
        if not self._away and self._stop is None:
            return
        self._away = False
        _log.info("control plane back", id=self._identity.spiffe_id)
        _cut(self._local)
        await self._stop_spare()
        self._tell(Through())

    def _accept(self, end: End) -> None:
        task = asyncio.get_running_loop().create_task(self._route(end))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _route(self, end: End) -> None:
        """Joins a new connection with the control plane, or a starting Envoy's with the spare."""
        group = self._through
        try:
            other = None if self._away else await self._connect_through()
            if other is None:
                group, other = self._local, None if self.live else await self._connect_spare()
            if other is not None:
                group.add(end)
                end.join(other)
                await end.closed
        finally:
            group.discard(end)
            end.close()

    async def _connect_through(self) -> End | None:
        loop = asyncio.get_running_loop()
        for host, port in self._control:
            try:
                async with asyncio.timeout(_CONNECT):
                    return (await loop.create_connection(End, host, port))[1]
            except OSError as error:  # TimeoutError is one
                _log.info("control plane not reached", address=f"{host}:{port}", error=str(error))
        return None

    async def _connect_spare(self) -> End | None:
        try:
            async with self._turn:
                if self._stop is None:
                    self._stop = await self._start_spare()
            if self._stop is None:
                return None
            loop = asyncio.get_running_loop()
            return (await loop.create_unix_connection(End, self._folder.socket(SPARE_SOCKET)))[1]
        except (OSError, Refused) as error:
            _log.error("no spare to serve", id=self._identity.spiffe_id, error=str(error))
            return None

    async def _start_spare(self) -> Stop | None:
        spare = await asyncio.to_thread(self._spares.load, self._identity.bundle)
        if spare is None:
            return None
        (self._folder.path / SPARE_SOCKET).unlink(missing_ok=True)
        credentials = grpc.dynamic_ssl_server_credentials(
            self._configuration(), self._configuration, True
        )
        address = f"unix:{self._folder.socket(SPARE_SOCKET)}"
        stop = await self._serve_spare(address, credentials, spare)
        _log.warning("serving the spare", id=spare.proxy, number=spare.number)
        self._tell(OnSpare(spare.number))
        return stop

    async def _stop_spare(self) -> None:
        async with self._turn:
            if self._stop is not None:
                await self._stop()
                self._stop = None

    def _configuration(self) -> grpc.ServerCertificateConfiguration:
        pair = self._identity.pair
        return grpc.ssl_server_certificate_configuration(
            [(pair.key, pair.chain)], self._identity.bundle
        )


def _listen(folder: Folder) -> socket.socket:
    (folder.path / CONTROL_SOCKET).unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(folder.socket(CONTROL_SOCKET))
    (folder.path / CONTROL_SOCKET).chmod(0o600)
    return listening


def _cut(ends: set[End]) -> None:
    for end in list(ends):
        end.abort()
