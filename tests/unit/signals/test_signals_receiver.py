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

from ostiary.protos.messages import otlp_service
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

    async def export(self, spiffe_id: str, *messages: bytes) -> None:
        """Sends as the proxy of that certificate."""
        credentials = self.certificates.client(spiffe_id)
        async with grpc.aio.secure_channel(f"localhost:{self.port}", credentials) as channel:
            call = channel.unary_unary(f"/{SERVICE}/Export")
            for one in messages:
                answer = await call(one)
                assert otlp_service.ExportLogsServiceResponse.FromString(answer) == (
                    otlp_service.ExportLogsServiceResponse()
                )
        await self.writer.flush()


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
    first = message(entry(id="one"), log=DENIALS_LOG)
    await service.export(EDGE, first, message(entry(id="two"), entry(id="three"), log=DENIALS_LOG))
    for name in ("one", "two", "three"):
        (found,) = service.decisions.find(name)
        assert (found.proxy, found.log) == (EDGE, DENIALS_LOG)


async def test_both_logs_of_one_proxy_are_told_apart(service: Running) -> None:
    logs = (DENIALS_LOG, ALLOWS_LOG)
    await service.export(EDGE, *(message(entry(id=log), log=log) for log in logs))
    assert service.decisions.find(DENIALS_LOG)[0].log == DENIALS_LOG
    assert service.decisions.find(ALLOWS_LOG)[0].log == ALLOWS_LOG


async def test_a_stream_without_our_name_is_kept_like_refusals(service: Running) -> None:
    await service.export(EDGE, message(entry(id="a")), message(entry(id="b"), log="ostiary-other"))
    assert [service.decisions.find(name)[0].log for name in "ab"] == [DENIALS_LOG] * 2


async def test_a_malformed_entry_is_counted_and_kept(service: Running) -> None:
    hostile = entry(path="/a\x1fb", id="forged")
    await service.export(EDGE, message(entry(id="one"), hostile, entry(id="two"), log=ALLOWS_LOG))
    assert [len(service.decisions.find(name)) for name in ("one", "forged", "two")] == [1, 1, 1]
    counts = service.writer.counts()
    assert (counts.received, counts.malformed) == (3, 1)


async def test_a_message_that_is_none_is_refused_for_good(service: Running) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await service.export(EDGE, b"\xff\xff")
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert service.writer.counts().malformed == 1
    await service.export(EDGE, message(entry(id="one")))
    assert service.decisions.counts().kept == 1


async def test_a_certificate_of_nobody_we_know_is_refused_and_counted(service: Running) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await service.export(STRANGER, message(entry()))
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert STRANGER in (refused.value.details() or "")
    assert service.writer.counts().refused_streams == 1
    assert service.decisions.counts().kept == 0


async def test_no_certificate_no_log(service: Running) -> None:
    plain = grpc.ssl_channel_credentials(service.certificates.bundle)
    async with grpc.aio.secure_channel(f"localhost:{service.port}", plain) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await channel.unary_unary(f"/{SERVICE}/Export")(message(entry()))
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert service.writer.counts().received == 0
