"""The access-log service over real mutual TLS: the certificate says who logs, and who may."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from signals_entries import ALLOWS_LOG, DENIALS_LOG, EDGE, Certificates, entry, message

from ostiary.protos.messages import als
from ostiary.signals import Writer, handler
from ostiary.signals.receiver import SERVICE
from ostiary.store.database import Database
from ostiary.store.decisions import Decisions

STRANGER = "spiffe://test.ostiary/default/default/gateway/other"


@dataclass
class Running:
    """A control plane's log service."""

    port: int
    certificates: Certificates
    writer: Writer
    decisions: Decisions

    @contextlib.asynccontextmanager
    async def stream(self, spiffe_id: str) -> AsyncIterator[grpc.aio.StreamUnaryCall]:
        channel = grpc.aio.secure_channel(
            f"localhost:{self.port}", self.certificates.client(spiffe_id)
        )
        async with channel:
            yield channel.stream_unary(
                f"/{SERVICE}/StreamAccessLogs",
                request_serializer=als.StreamAccessLogsMessage.SerializeToString,
                response_deserializer=als.StreamAccessLogsResponse.FromString,
            )()


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Running]:
    database = Database.in_folder(tmp_path)
    database.create()
    decisions = Decisions(database)
    writer = Writer(decisions, pause=0.01)
    writing = asyncio.create_task(writer.run())
    certificates = Certificates()
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((handler(writer, {EDGE}.__contains__),))
    port = server.add_secure_port("localhost:0", certificates.server())
    await server.start()
    try:
        yield Running(port, certificates, writer, decisions)
    finally:
        await server.stop(0)
        writing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await writing
        database.close()


async def test_a_known_proxy_is_written_under_its_certificate(service: Running) -> None:
    async with service.stream(EDGE) as call:
        await call.write(message(entry(id="one"), log=DENIALS_LOG))
        await call.write(message(entry(id="two"), entry(id="three")))
        await call.done_writing()
        await call
    await service.writer.flush()
    for name in ("one", "two", "three"):
        (found,) = service.decisions.find(name)
        assert (found.proxy, found.log) == (EDGE, DENIALS_LOG)


async def test_both_logs_of_one_proxy_are_told_apart(service: Running) -> None:
    for log in (DENIALS_LOG, ALLOWS_LOG):
        async with service.stream(EDGE) as call:
            await call.write(message(entry(id=log), log=log))
            await call.done_writing()
            await call
    await service.writer.flush()
    assert service.decisions.find(DENIALS_LOG)[0].log == DENIALS_LOG
    assert service.decisions.find(ALLOWS_LOG)[0].log == ALLOWS_LOG


async def test_a_certificate_of_nobody_we_know_is_refused_and_counted(service: Running) -> None:
    async with service.stream(STRANGER) as call:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert STRANGER in (refused.value.details() or "")
    assert service.writer.counts().refused_streams == 1
    assert service.decisions.counts().kept == 0


async def test_no_certificate_no_stream(service: Running) -> None:
    plain = grpc.ssl_channel_credentials(service.certificates.bundle)
    async with grpc.aio.secure_channel(f"localhost:{service.port}", plain) as channel:
        call = channel.stream_unary(f"/{SERVICE}/StreamAccessLogs")()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert service.writer.counts().received == 0
