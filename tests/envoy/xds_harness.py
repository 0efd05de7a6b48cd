"""Real parts for the xds tests: an Envoy, its control plane, a backend and traffic."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import httpx
from xds_resources import EDGE

from ostiary.compiler.resources import Resource
from ostiary.protos.descriptors import envoy_binary
from ostiary.xds.server import XdsServer

WHO = "x-proxy"
"""Metadata that stands for the peer's certificate where a test speaks plaintext."""
_HTTP = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def peer(context: grpc.aio.ServicerContext) -> str:
    return str(dict(context.invocation_metadata())[WHO])


@dataclass
class Told:
    """Remembers what the server reported."""

    accepted: list[tuple[str, str]] = field(default_factory=list)
    refusals: list[tuple[str, tuple[Resource, ...], str]] = field(default_factory=list)

    def acked(self, proxy: str, revision: str) -> None:
        self.accepted.append((proxy, revision))

    def refused(self, proxy: str, resources: tuple[Resource, ...], error: str) -> None:
        self.refusals.append((proxy, resources, error))


@dataclass
class Control:
    """A control plane on a port of the loopback interface."""

    xds: XdsServer
    told: Told
    port: int
    server: grpc.aio.Server


@asynccontextmanager
async def control_plane(
    port: int = 0, credentials: grpc.ServerCredentials | None = None, *, warm_limit: float = 2.0
) -> AsyncIterator[Control]:
    told = Told()
    if credentials:
        xds = XdsServer(told, warm_limit=warm_limit)
    else:
        xds = XdsServer(told, peer=peer, warm_limit=warm_limit)
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers(xds.handlers())
    address = f"127.0.0.1:{port}"
    bound = (
        server.add_secure_port(address, credentials)
        if credentials
        else server.add_insecure_port(address)
    )
    await server.start()
    try:
        yield Control(xds, told, bound, server)
    finally:
        await server.stop(0)


@asynccontextmanager
async def backend(answer: str = "ok", *, delay: float = 0.0) -> AsyncIterator[int]:
    """An HTTP/1.1 server that answers everything with `answer`."""
    body = answer.encode()
    reply = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                await asyncio.sleep(delay)
                writer.write(reply)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass
class Traffic:
    """What concurrent requests saw: every answer that was not 200 counts as bad."""

    good: int = 0
    bad: list[tuple[str, int, str]] = field(default_factory=list)
    versions: dict[str, list[str]] = field(default_factory=dict)
    """Scope -> its `x-edit` header, answer by answer, repetitions left out."""


@asynccontextmanager
async def traffic(
    proxy: Envoy, port: int, *scopes: str, pause: float = 0.002
) -> AsyncIterator[Traffic]:
    """Light requests to each of `scopes` for as long as the block runs."""
    seen = Traffic()

    async def ask(scope: str) -> None:
        versions = seen.versions.setdefault(scope, [])
        while True:
            answer = await proxy.get(scope, port)
            if answer.status_code == 200:
                seen.good += 1
            else:
                seen.bad.append((scope, answer.status_code, answer.text))
            version = answer.headers.get("x-edit", "")
            if versions[-1:] != [version]:
                versions.append(version)
            await asyncio.sleep(pause)

    tasks = [asyncio.create_task(ask(scope)) for scope in scopes]
    try:
        yield seen
        await asyncio.sleep(0.02)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Envoy:
    """A running Envoy."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self.folder = folder
        self.process = process
        self.http = httpx.AsyncClient(timeout=5)

    async def admin(self, path: str) -> httpx.Response:
        address = await self._admin_address()
        return await self.http.get(f"http://{address}{path}")

    async def _admin_address(self) -> str:
        file = self.folder / "admin"
        while not (file.exists() and file.read_text()):
            assert self.process.poll() is None, (self.folder / "log").read_text()[-3000:]
            await asyncio.sleep(0.01)
        return file.read_text()

    async def port(self, name: str = "http") -> int:
        """The port of a listener, once it serves."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            answer = await self.admin("/listeners?format=json")
            for status in answer.json().get("listener_statuses", ()):
                if status["name"] == name:
                    return int(status["local_address"]["socket_address"]["port_value"])
            await asyncio.sleep(0.01)
        raise AssertionError(f"no listener {name}: {(self.folder / 'log').read_text()[-3000:]}")

    async def get(self, scope: str, port: int, path: str = "/") -> httpx.Response:
        return await self.http.get(f"http://127.0.0.1:{port}{path}", headers={"x-scope": scope})

    async def until(self, scope: str, port: int, status: int, seconds: float = 5) -> float:
        """Milliseconds until `scope` answers `status`."""
        start = time.perf_counter()
        last = "nothing"
        while time.perf_counter() - start < seconds:
            try:
                answer = await self.get(scope, port)
            except httpx.ConnectError:  # bound, but no worker listens yet
                continue
            if answer.status_code == status:
                return (time.perf_counter() - start) * 1000
            last = f"{answer.status_code} {answer.text}"
        log = (self.folder / "log").read_text()[-3000:]
        raise AssertionError(f"{scope} still answers {last}\n{log}")

    async def version(self, scope: str, port: int) -> str:
        return (await self.get(scope, port)).headers.get("x-edit", "")


@asynccontextmanager
async def envoy(
    folder: Path, control: int, *, who: str = EDGE, tls: Mapping[str, object] | None = None
) -> AsyncIterator[Envoy]:
    """An Envoy that follows the control plane on port `control`."""
    process = _start(folder, _bootstrap(control, who, tls))
    running = Envoy(folder, process)
    try:
        yield running
    finally:
        await running.http.aclose()
        process.terminate()
        await asyncio.to_thread(process.wait)


def _start(folder: Path, bootstrap: dict[str, object]) -> subprocess.Popen[bytes]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bootstrap.json").write_text(json.dumps(bootstrap))
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [
                *(str(envoy_binary()), "-c", "bootstrap.json", "--disable-hot-restart"),
                *("--concurrency", "1", "--admin-address-path", "admin", "-l", "warning"),
                *("--drain-time-s", "1"),
            ],
            cwd=folder,
            stderr=log,
            stdout=log,
        )


def _bootstrap(control: int, who: str, tls: Mapping[str, object] | None) -> dict[str, object]:
    ads = {"ads": {}, "resource_api_version": "V3"}
    grpc_service = {
        "envoy_grpc": {"cluster_name": "control"},
        "initial_metadata": [{"key": WHO, "value": who}],
    }
    address = {"socket_address": {"address": "127.0.0.1", "port_value": control}}
    upstream: dict[str, object] = {
        "name": "control",
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": "control",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
        "typed_extension_protocol_options": {
            _HTTP: {
                "@type": f"type.googleapis.com/{_HTTP}",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
    }
    if tls:
        upstream["transport_socket"] = tls
    return {
        "node": {"id": "not-trusted", "cluster": "test"},
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        "dynamic_resources": {
            "ads_config": {
                "api_type": "DELTA_GRPC",
                "transport_api_version": "V3",
                "set_node_on_first_message_only": True,
                "grpc_services": [grpc_service],
            },
            "cds_config": ads,
            "lds_config": ads,
        },
        "static_resources": {"clusters": [upstream]},
    }
