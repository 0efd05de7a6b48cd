"""Serve the admin API: HTTPS on loopback, until cancelled."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator

import uvicorn

from ostiary.api.application import application
from ostiary.api.ports import ControlPlane
from ostiary.errors import Unreachable


class _Server(uvicorn.Server):
    """Leaves signals to the process that runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def run_api(
    host: str,
    port: int,
    *,
    context: ssl.SSLContext,
    token: str,
    control_plane: ControlPlane,
    ready: Callable[[int], None] = lambda _port: None,
) -> None:
    """The API answers on `host:port` (0: any free one) until this is cancelled.

    `ready` gets the real port as soon as connections are accepted. Raises `Unreachable` when the
    port is taken.
    """
    listening = _bind(host, port)
    config = uvicorn.Config(
        application(control_plane, token),
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
        ssl_context_factory=lambda _config, _default: context,
    )
    server = _Server(config)
    ready(listening.getsockname()[1])
    try:
        await server.serve(sockets=[listening])
    finally:
        if server.started:
            await server.shutdown(sockets=[listening])
        listening.close()


def _bind(host: str, port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise Unreachable(
            "admin-port-taken",
            f"the admin API cannot listen on {host}:{port}: {error.strerror}",
            "end the program that listens there",
        ) from error
    listening.setblocking(False)
    return listening
