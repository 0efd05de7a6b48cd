"""The `login` process: HTTPS for browsers' requests, gRPC for the proxies' questions.

Both speak mutual TLS and hear only gateways. Fed by `app` with plain arguments; runs until it is
cancelled.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ssl import SSLContext
from typing import Any, Final

import grpc
import structlog
import uvicorn
from argon2 import PasswordHasher

from ostiary.errors import OstiaryError, Unreachable
from ostiary.login.authz import Authorization, start_authz
from ostiary.login.check import Check
from ostiary.login.machine import PROGRAMS
from ostiary.login.passwords import Passwords
from ostiary.login.peer import guarded_protocol
from ostiary.login.ports import Stores
from ostiary.login.web import web
from ostiary.login.work import Work

_SWEEP: Final = 60.0
"""Seconds between two sweeps of what is over."""
_QUIET: Final = 2.0
"""Seconds after the start in which nothing is done that can wait."""
_KEEP_ALIVE: Final = 7200
"""Seconds; longer than Envoy keeps an idle connection, so that Envoy is the one who closes."""
_CONCURRENT: Final = 512
_GRACE: Final = 1.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Bound:
    """The ports that answer."""

    http: int
    authz: int


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to answer, and with which proof of who we are (port 0: any free one)."""

    host: str
    http_port: int
    authz_port: int
    http_tls: SSLContext = field(repr=False)
    """Must demand a client certificate of our workload authority."""
    authz_credentials: grpc.ServerCredentials = field(repr=False)
    """Same, for gRPC."""
    trust_domain: str


async def run_login(
    listen: Listen,
    stores: Stores,
    *,
    issuer: str,
    clock: Callable[[], float],
    on_ready: Callable[[Bound], None] = lambda _bound: None,
    hasher: PasswordHasher | None = None,
) -> None:
    """Answers until cancelled; then no port, thread or task is left.

    `on_ready` is called once both ports answer. `hasher` sets the cost of passwords.
    """
    work, passwords = Work(), Passwords(hasher)
    pages = Work()  # of their own: a flood of pages must not queue up in front of refreshes
    server = _http(listen, web(stores, passwords, pages, issuer, clock))
    programs = Work(PROGRAMS)  # they may wait for an issuer's keys, and no refresh waits with them
    check = Check(stores, issuer, clock)
    authorization = Authorization(check, work, programs, listen.trust_domain)
    with _socket(listen) as door:
        address = f"{listen.host}:{listen.authz_port}"
        authz, authz_port = await start_authz(authorization, address, listen.authz_credentials)
        tasks = [
            asyncio.create_task(server.serve(sockets=[door])),
            asyncio.create_task(_sweep(stores, work, clock)),
            asyncio.create_task(_warm(passwords)),
        ]
        try:
            await _started(server, tasks[0])
            on_ready(Bound(door.getsockname()[1], authz_port))
            await asyncio.wait(tasks[:1])  # unlike `await task`, our own end does not cut it off
        finally:
            server.should_exit = True
            await asyncio.gather(authz.stop(_GRACE), _end(tasks))
            passwords.close()
            programs.close()
            pages.close()
            work.close()


class _Server(uvicorn.Server):
    """Uvicorn without its own signal handlers: the supervisor decides when to end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _http(listen: Listen, app: Any) -> _Server:
    return _Server(
        uvicorn.Config(
            app,
            http=guarded_protocol(listen.trust_domain),
            ws="none",
            lifespan="off",
            loop="none",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=_CONCURRENT,
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=int(_GRACE),
            ssl_context_factory=lambda _config, _default: listen.http_tls,
        )
    )


@contextlib.contextmanager
def _socket(listen: Listen) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind((listen.host, listen.http_port))
        except OSError as error:
            raise Unreachable(
                "port-taken",
                f"login cannot listen on {listen.host}:{listen.http_port}: {error.strerror}",
                "another process has this port; choose another or end that one",
            ) from error
        yield door


async def _started(server: _Server, serving: asyncio.Task[None]) -> None:
    while not server.started:
        if serving.done():
            await serving
            return
        await asyncio.sleep(0.005)


async def _warm(passwords: Passwords) -> None:
    await asyncio.sleep(_QUIET)  # a start has better things to do than hashing
    await passwords.warm()


async def _sweep(stores: Stores, work: Work, clock: Callable[[], float]) -> None:
    while True:
        await asyncio.sleep(_SWEEP)
        try:
            await work.run(lambda: _forget(stores, clock()))
        except OstiaryError as error:
            _log.warning("sweep failed", error=str(error))


def _forget(stores: Stores, now: float) -> None:
    stores.accounts.sweep(now)
    lifetimes = [found.lifetimes.absolute for found in stores.site.directory().sign_in]
    if lifetimes:
        stores.sessions.sweep(now - max(lifetimes), now)


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    serving, *others = tasks
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await serving
