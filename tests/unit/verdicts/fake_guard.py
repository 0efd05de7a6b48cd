"""A guard without a table: it says what a guard says, and remembers what it heard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from ostiary.certs.issue import Issuer, Request, key_pem, pem, root, svid
from ostiary.certs.validity import starting
from ostiary.verdicts.hub import Hub
from ostiary.verdicts.messages import SERVICE, FromGuard, ToGuard

DOMAIN = "test.ostiary"
EDGE = f"spiffe://{DOMAIN}/default/default/gateway/main"
OTHER = f"spiffe://{DOMAIN}/default/default/gateway/other"
CONTROL_PLANE = f"spiffe://{DOMAIN}/ostiary/control-plane"


class Certificates:
    """An authority that lasts as long as the test."""

    def __init__(self) -> None:
        self._validity = starting(datetime.now(UTC), timedelta(hours=1))
        key = ec.generate_private_key(ec.SECP256R1())
        made = root(key, DOMAIN, 1, self._validity)
        self._issuer = Issuer(made, key)
        self.bundle = pem(made)

    def pair(self, spiffe_id: str) -> tuple[bytes, bytes]:
        key = ec.generate_private_key(ec.SECP256R1())
        request = Request(key.public_key(), x509.random_serial_number(), self._validity)
        return key_pem(key), pem(svid(self._issuer, request, spiffe_id, "localhost"))

    def server(self) -> grpc.ServerCredentials:
        pair = self.pair(CONTROL_PLANE)
        return grpc.ssl_server_credentials([pair], self.bundle, require_client_auth=True)

    def client(self, spiffe_id: str) -> grpc.ChannelCredentials:
        key, chain = self.pair(spiffe_id)
        return grpc.ssl_channel_credentials(self.bundle, key, chain)


@dataclass
class FakeGuard:
    """One stream; `table` is what a guard would enforce."""

    call: Any
    epoch: str = ""
    applied: int = 0
    acks: bool = True
    refused: int = 0
    table: dict[UUID, Any] = field(default_factory=dict)
    arriving: dict[UUID, Any] = field(default_factory=dict)
    heard: list[tuple[str, int]] = field(default_factory=list)
    order: list[tuple[str, UUID]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    beats: int = 0

    async def hello(self, version: str = "0.1.0", key: bytes = b"") -> None:
        made = FromGuard()
        made.hello.epoch, made.hello.applied = self.epoch, self.applied
        made.hello.guard, made.hello.signing_key = version, key
        await self.say(made)

    async def say(self, message: Any) -> None:
        await self.call.write(message.SerializeToString())

    async def ack(self) -> None:
        made = FromGuard()
        made.ack.epoch, made.ack.applied = self.epoch, self.applied
        made.ack.entries, made.ack.refused = len(self.table), self.refused
        await self.say(made)

    async def one(self, seconds: float = 5.0) -> str:
        """The next message is applied; its kind."""
        raw = await asyncio.wait_for(self.call.read(), seconds)
        assert raw is not grpc.aio.EOF, self.call
        self.sizes.append(len(raw))
        message = ToGuard.FromString(raw)
        kind = str(message.WhichOneof("kind"))
        body = getattr(message, kind)
        assert body.time_ms > 0
        self.heard.append((kind, body.seq))
        if kind == "snapshot":
            self._part(body)
        elif kind == "delta":
            self._delta(body)
        else:
            self.beats += 1
            return kind
        if self.acks and (kind == "delta" or body.last):
            await self.ack()
        return kind

    async def until(self, seq: int, seconds: float = 10.0) -> None:
        """Everything up to `seq` is applied."""
        async with asyncio.timeout(seconds):
            while self.applied < seq or not self.epoch:
                await self.one(seconds)

    async def read(self) -> None:
        """Applies whatever comes, until cancelled."""
        while True:
            await self.one(60)

    def _part(self, body: Any) -> None:
        if body.part == 0:
            self.arriving = {}
        self.arriving |= {UUID(bytes=one.id): one for one in body.verdicts}
        if body.last:
            self.table, self.epoch, self.applied = self.arriving, body.epoch, body.seq

    def _delta(self, body: Any) -> None:
        assert getattr(body, "from") == self.applied, (body, self.applied)
        for change in body.changes:
            which = change.WhichOneof("what")
            one = getattr(change, which)
            self.order.append((which, UUID(bytes=one.id)))
            if which == "put":
                self.table[UUID(bytes=one.id)] = one
            else:
                self.table.pop(UUID(bytes=one.id), None)
        self.applied = body.seq


@dataclass
class Running:
    """A hub on a port."""

    hub: Hub
    port: int
    certificates: Certificates
    server: grpc.aio.Server

    @asynccontextmanager
    async def guard(
        self, proxy: str = EDGE, epoch: str = "", applied: int = 0, *, hello: bool = True
    ) -> AsyncIterator[FakeGuard]:
        credentials = self.certificates.client(proxy)
        options = [("grpc.http2.bdp_probe", 0)]
        async with grpc.aio.secure_channel(
            f"localhost:{self.port}", credentials, options=options
        ) as channel:
            call = channel.stream_stream(f"/{SERVICE}/Stream")()
            made = FakeGuard(call, epoch, applied)
            if hello:
                await made.hello()
            try:
                yield made
            finally:
                call.cancel()


@asynccontextmanager
async def running(hub: Hub, certificates: Certificates | None = None) -> AsyncIterator[Running]:
    """`hub` serves over mutual TLS and looks after its store."""
    own = certificates or Certificates()
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((hub.handler(),))
    port = server.add_secure_port("localhost:0", own.server())
    await server.start()
    looking = asyncio.create_task(hub.run())
    try:
        yield Running(hub, port, own, server)
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        await server.stop(0)
