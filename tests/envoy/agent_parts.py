"""Real parts for the agent's tests: an authority, a control plane that can go away, an agent."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from ostiary.authority.enrolment import Visible, open_handler, peer_handler
from ostiary.authority.issuer import Authority, Lifetimes
from ostiary.authority.own import OwnCredentials
from ostiary.certs import issue
from ostiary.certs.csr import build_csr
from ostiary.certs.pair import Pair, read_pair
from ostiary.certs.spiffe import control_plane_id
from ostiary.compiler.bootstrap import bootstrap
from ostiary.compiler.fetch import bundle, svid, transport_socket
from ostiary.compiler.resources import LISTENER, Snapshot, View, resource
from ostiary.protos import pack
from ostiary.protos.descriptors import envoy_binary
from ostiary.protos.messages import core, hcm, listener, route, router, tls, wkt
from ostiary.proxy.agent import Settings, run_agent
from ostiary.proxy.events import Event
from ostiary.proxy.folder import ADMIN_SOCKET, CONTROL_SOCKET
from ostiary.proxy.relay import Stop
from ostiary.proxy.spare import Spare
from ostiary.store.authority import AuthorityStore
from ostiary.store.database import Database
from ostiary.store.seal import Seal
from ostiary.xds import archive
from ostiary.xds.server import XdsServer

DOMAIN = "demo.ostiary"
ME = f"spiffe://{DOMAIN}/default/default/gateway/main"
CLIENT = f"spiffe://{DOMAIN}/default/default/gateway/client"
_SERVER_OPTIONS = [("grpc.so_reuseport", 0)]


def open_authority(folder: Path, lifetimes: Lifetimes | None = None) -> Authority:
    folder.mkdir(parents=True, exist_ok=True)
    database = Database.in_folder(folder)
    database.create()
    return Authority.open(
        AuthorityStore(database, Seal.in_folder(folder)), DOMAIN, lifetimes=lifetimes
    )


def svid_of(authority: Authority, spiffe_id: str = CLIENT) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    chain = authority.issue_svid(build_csr(key, spiffe_id), spiffe_id)
    return read_pair(chain, issue.key_pem(key))


# --- what Envoy is told ---


def view(port: int, text: str) -> View:
    """One listener that demands a certificate of our authority and answers `text`."""
    validation = tls.CommonTlsContext(
        tls_params=tls.TlsParameters(
            tls_minimum_protocol_version=tls.TlsParameters.TLSv1_3,
            tls_maximum_protocol_version=tls.TlsParameters.TLSv1_3,
        ),
        tls_certificate_sds_secret_configs=[svid()],
        validation_context_sds_secret_config=bundle(),
    )
    server = tls.DownstreamTlsContext(
        common_tls_context=validation, require_client_certificate=wkt.BoolValue(value=True)
    )
    answer = route.DirectResponseAction(status=200, body=core.DataSource(inline_string=text))
    host = route.VirtualHost(
        name="all",
        domains=["*"],
        routes=[route.Route(match=route.RouteMatch(prefix="/"), direct_response=answer)],
    )
    manager = hcm.HttpConnectionManager(
        stat_prefix="test",
        route_config=route.RouteConfiguration(name="all", virtual_hosts=[host]),
        http_filters=[hcm.HttpFilter(name="router", typed_config=pack(router.Router()))],
    )
    made = listener.Listener(
        name="mesh",
        address=core.Address(
            socket_address=core.SocketAddress(address="127.0.0.1", port_value=port)
        ),
        filter_chains=[
            listener.FilterChain(
                filters=[listener.Filter(name="http", typed_config=pack(manager))],
                transport_socket=transport_socket(server),
            )
        ],
    )
    return View(ME, {LISTENER: {"mesh": resource(LISTENER, "mesh", made)}}, frozenset())


def relayed_bootstrap() -> bytes:
    """As `app` makes it."""
    made: bytes = bootstrap(ME, DOMAIN, CONTROL_SOCKET, ADMIN_SOCKET).SerializeToString()
    return made


# --- the control plane ---


@dataclass
class ControlPlane:
    """Enrolment and xDS on two ports that stay the same over a restart."""

    authority: Authority
    own: OwnCredentials
    enrolment_port: int = 0
    control_port: int = 0
    shown: View | None = None
    revision: int = 0
    frozen: Visible | None = None
    """When set, the spare stays behind."""
    xds: XdsServer | None = None
    server: grpc.aio.Server | None = None
    beside: tuple[grpc.GenericRpcHandler, ...] = ()
    """What else it answers."""

    def visible(self, proxy: str) -> Visible | None:
        if self.shown is None or proxy != ME:
            return None
        if self.frozen:
            return self.frozen
        return Visible(str(self.revision), partial(archive.to_bytes, self.shown), {})

    def show(self, shown: View) -> None:
        self.shown = shown
        self.revision += 1
        if self.xds:
            self.xds.publish(Snapshot(str(self.revision), {ME: shown}))

    async def start(self) -> None:
        server = grpc.aio.server(options=_SERVER_OPTIONS)
        self.enrolment_port = server.add_secure_port(
            f"127.0.0.1:{self.enrolment_port}", self.own.grpc_open()
        )
        self.control_port = server.add_secure_port(
            f"127.0.0.1:{self.control_port}", self.own.grpc_mutual()
        )
        self.xds = XdsServer()
        if self.shown:
            self.xds.publish(Snapshot(str(self.revision), {ME: self.shown}))
        server.add_generic_rpc_handlers(
            (
                open_handler(self.authority),
                peer_handler(self.authority, self.visible),
                *self.xds.handlers(),
                *self.beside,
            )
        )
        await server.start()
        self.server = server

    async def stop(self) -> None:
        if self.server:
            await self.server.stop(0)
            self.server = self.xds = None


@asynccontextmanager
async def control_plane(
    folder: Path, lifetimes: Lifetimes | None = None
) -> AsyncIterator[ControlPlane]:
    authority = open_authority(folder, lifetimes)
    made = ControlPlane(authority, OwnCredentials(authority, control_plane_id(DOMAIN)))
    renewing = asyncio.create_task(made.own.run())
    await made.start()
    try:
        yield made
    finally:
        await made.stop()
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
        authority.store._database.close()  # type: ignore[attr-defined]


# --- the agent ---


@dataclass
class Agent:
    """A running agent and what it told."""

    settings: Settings
    events: list[Event]
    task: asyncio.Task[None]

    async def told(self, kind: type[Event], *, times: int = 1, seconds: float = 15) -> Any:
        """The event of this kind, once it has been told so often."""
        async with asyncio.timeout(seconds):
            while True:
                found = [event for event in self.events if isinstance(event, kind)]
                if len(found) >= times:
                    return found[-1]
                if self.task.done():
                    await self.task
                await asyncio.sleep(0.02)

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


def settings(
    folder: Path, control: ControlPlane, port: int, tell: Callable[[Event], None]
) -> Settings:
    tokens = [control.authority.new_token(ME)]
    return Settings(
        folder=folder,
        spiffe_id=ME,
        enrolment=[("127.0.0.1", control.enrolment_port)],
        control=[("127.0.0.1", control.control_port)],
        bundle=control.authority.bundle,
        envoy=envoy_binary(),
        bootstrap=relayed_bootstrap,
        listeners=[("127.0.0.1", port)],
        join_token=lambda: tokens.pop() if tokens else None,
        serve_spare=serve_spare,
        tell=tell,
        poll=0.2,
    )


async def serve_spare(address: str, credentials: grpc.ServerCredentials, spare: Spare) -> Stop:
    """As `app` does it."""
    server = grpc.aio.server()
    server.add_secure_port(address, credentials)
    xds = XdsServer()
    xds.publish_secrets(spare.proxy, spare.secrets)
    xds.publish(Snapshot(str(spare.number), {spare.proxy: archive.from_bytes(spare.archive)}))
    server.add_generic_rpc_handlers(xds.handlers())
    await server.start()

    async def stop() -> None:
        await server.stop(0)

    return stop


@asynccontextmanager
async def agent(
    folder: Path, control: ControlPlane, port: int, *, token: bool = True
) -> AsyncIterator[Agent]:
    events: list[Event] = []
    asked = settings(folder, control, port, events.append)
    if not token:
        asked = replace(asked, join_token=lambda: None)
    made = Agent(asked, events, asyncio.create_task(run_agent(asked)))
    try:
        yield made
    finally:
        await made.end()


# --- a client of the mesh ---


class Line:
    """One mutual TLS connection to the proxy, kept alive."""

    def __init__(self, port: int, pair: Pair | None, folder: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # the test looks at the certificate itself
        if pair:
            file = folder / f"client-{os.urandom(4).hex()}.pem"
            file.write_bytes(pair.key + pair.chain)
            context.load_cert_chain(file)
        self._socket = context.wrap_socket(socket.create_connection(("127.0.0.1", port), 5))

    @property
    def leaf(self) -> x509.Certificate:
        der = self._socket.getpeercert(binary_form=True)
        assert der is not None
        return x509.load_der_x509_certificate(der)

    @property
    def version(self) -> str | None:
        return self._socket.version()

    def get(self) -> str:
        self._socket.sendall(b"GET / HTTP/1.1\r\nhost: mesh\r\n\r\n")
        head = b""
        while b"\r\n\r\n" not in head:
            head += self._received()
        head, _, body = head.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split()[0])
        while len(body) < length:
            body += self._received()
        return body.decode()

    def _received(self) -> bytes:
        part = self._socket.recv(4096)
        if not part:
            raise ConnectionError("closed")
        return part

    def close(self) -> None:
        self._socket.close()


def ask(port: int, pair: Pair | None, folder: Path) -> str:
    """What the mesh listener answers to one request."""
    line = Line(port, pair, folder)
    try:
        return line.get()
    finally:
        line.close()


async def until(port: int, pair: Pair, folder: Path, text: str, seconds: float = 15) -> None:
    """Returns when the mesh listener answers `text`."""
    last: object = None
    try:
        async with asyncio.timeout(seconds):
            while last != text:
                try:
                    last = await asyncio.to_thread(ask, port, pair, folder)
                except OSError as error:
                    last = error
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"it still answers {last!r}") from None


def gone(pid: int) -> bool:
    """Whether no such process lives (a zombie does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


def _alone(arguments: Mapping[str, Any]) -> None:
    """An agent in a process of its own; prints Envoy's pid when it is live."""

    def tell(event: Event) -> None:
        sys.stdout.write(f"{getattr(event, 'pid', 0)}\n")
        sys.stdout.flush()

    tokens = [arguments["token"]]
    asked = Settings(
        folder=Path(arguments["folder"]),
        spiffe_id=ME,
        enrolment=[("127.0.0.1", arguments["enrolment"])],
        control=[("127.0.0.1", arguments["control"])],
        bundle=arguments["bundle"].encode(),
        envoy=envoy_binary(),
        bootstrap=relayed_bootstrap,
        listeners=[],
        join_token=lambda: tokens.pop() if tokens else None,
        serve_spare=serve_spare,
        tell=tell,
    )
    asyncio.run(run_agent(asked))


if __name__ == "__main__":
    _alone(json.loads(sys.argv[1]))
