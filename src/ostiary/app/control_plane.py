"""The control plane as one process: what it opens, serves and keeps running.

Fed by the supervisor with an `Installation`; feeds the proxies (xDS, certificates, the decision
log comes back) and the administrator. Read `pipeline` first: it is the heart, this is the body.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import ssl
import time
from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass

import grpc
import structlog

from ostiary.api.ports import Red
from ostiary.api.server import run_api
from ostiary.app.admin import Admin
from ostiary.app.api_keys import KeyRing
from ostiary.app.changes import Changes, First, first_plan
from ostiary.app.channel import Channel
from ostiary.app.guard_keys import GuardKeys
from ostiary.app.guards import Guards
from ostiary.app.history import History
from ostiary.app.installation import Installation, write_facts, write_private
from ostiary.app.key_sets import KeySets
from ostiary.app.ledger import Ledger
from ostiary.app.pipeline import Pipeline, Revision, Understanding
from ostiary.app.ports import Ports
from ostiary.app.process import run_until_told
from ostiary.app.rotation import Rotation
from ostiary.app.rule_book import rule_book
from ostiary.app.spec import ProxySpec, specs_of
from ostiary.app.withdrawals import Withdrawals
from ostiary.authority.enrolment import Visible, open_handler, peer_handler
from ostiary.authority.issuer import Authority
from ostiary.authority.own import OwnCredentials
from ostiary.authority.serving import ServingSecrets
from ostiary.certs.spiffe import control_plane_id
from ostiary.compiler.resources import Resource
from ostiary.compiler.world import World
from ostiary.errors import OstiaryError, Unreachable
from ostiary.identity.tokens import jwks
from ostiary.proxy.guard import installed
from ostiary.signals.receiver import handler as log_handler
from ostiary.signals.writer import Writer
from ostiary.sources.files import Files
from ostiary.store.accounts import Accounts
from ostiary.store.api_keys import ApiKeys
from ostiary.store.authority import AuthorityStore
from ostiary.store.database import Database
from ostiary.store.decisions import Decisions
from ostiary.store.keys import Keys
from ostiary.store.revisions import Revisions
from ostiary.store.seal import Seal
from ostiary.store.sessions import Sessions
from ostiary.store.site import TRUST_DOMAIN, SiteStore
from ostiary.store.verdicts import Verdicts
from ostiary.xds.archive import to_bytes
from ostiary.xds.server import XdsServer

_DAY = 86_400.0
_RETRY = 1.0
"""Seconds until a store that is away is asked again for an agent."""
_log = structlog.get_logger(__name__)
_OPTIONS = (
    ("grpc.max_receive_message_length", 16 << 20),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.so_reuseport", 0),
)


def run_control_plane_process(installation: Installation, channel: socket.socket) -> None:
    """The whole life of the process; returns when it is told to end."""
    ours = Channel(channel)

    async def run() -> None:
        with closing(installation.database()) as database:
            await _ControlPlane(installation, ours, database).run()

    run_until_told(run, ours.fail)


@dataclass(frozen=True, slots=True)
class _Stores:
    """Everything kept in the one database."""

    authority: AuthorityStore
    accounts: Accounts
    decisions: Decisions
    keys: Keys
    revisions: Revisions
    site: SiteStore
    verdicts: Verdicts

    @classmethod
    def open(cls, installation: Installation, database: Database) -> _Stores:
        """The tables exist, the signing keys too."""
        database.create()
        seal = Seal.in_folder(installation.state)
        keys = Keys(database, seal)
        keys.ensure(time.time())
        return cls(
            AuthorityStore(database, seal),
            Accounts(database),
            Decisions(database),
            keys,
            Revisions(database),
            SiteStore(database),
            Verdicts(database),
        )


class _ControlPlane:
    """The parts, joined. Made on the event loop, because some of them live on it."""

    def __init__(self, installation: Installation, channel: Channel, database: Database) -> None:
        self._installation = installation
        self._channel = channel
        self._database = database
        self._stores = _Stores.open(installation, database)
        self._ledger = Ledger(lambda sentence: channel.tell(say=sentence))
        self._xds = XdsServer(self._ledger, secrets=self._secret)
        self._writer = Writer(self._stores.decisions)
        self._specs: list[ProxySpec] = []
        self._guards = Guards(
            self._stores.verdicts,
            self._proxies,
            installation.verdicts_socket,
            fanout=installation.fanout,
            audit_kept=installation.audit_kept,
        )
        self._guard = installed()
        self._key_sets = KeySets(self._stores.site)
        self._settling: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Serve until cancelled."""
        stores, files = self._stores, Files(self._installation.documents)
        understanding = Understanding(guard=self._guard, book=rule_book())
        first = await self._first_plan(files, understanding)
        domain = first.plan.trust_domain
        authority = await asyncio.to_thread(Authority.open, stores.authority, domain)
        await asyncio.to_thread(stores.site.put, TRUST_DOMAIN, domain)
        serving = ServingSecrets(authority, self._announce)
        self._key_sets.published = await asyncio.to_thread(self._key_sets.all_known)
        pipeline = Pipeline(self._world(), self._xds, serving, stores.revisions, stores.site)
        history = History(stores.revisions, self._ledger)
        changes = Changes(
            files=files,
            understanding=understanding,
            pipeline=pipeline,
            ledger=self._ledger,
            history=history,
            trust_domain=domain,
            accepted=self._accepted,
        )
        self._authority, self._serving = authority, serving
        self._pipeline, self._changes = pipeline, changes
        own = OwnCredentials(authority, control_plane_id(domain))
        server = self._grpc(own)
        await server.start()
        try:
            async with asyncio.TaskGroup() as group:
                for task in (own.run(), serving.run(), self._writer.run(), self._listen()):
                    group.create_task(task)
                group.create_task(self._guards.run())
                group.create_task(GuardKeys(self._guards.hub, stores.site).run())
                rotation = Rotation(stores.keys, self._ledger, self._xds, self._republish)
                group.create_task(rotation.run())
                group.create_task(self._key_sets.run(self._republish))
                group.create_task(Ports(self._ledger, self._xds).run())
                group.create_task(self._admin(rotation))
                group.create_task(history.run())
                group.create_task(changes.run(first))
                group.create_task(changes.days())
        finally:
            await server.stop(0)

    async def _republish(self) -> None:
        self._pipeline.world = self._world()
        await self._changes.again()

    async def _first_plan(self, files: Files, understanding: Understanding) -> First:
        waiting = self._installation.waiting_file
        waiting.unlink(missing_ok=True)
        first = await first_plan(
            files,
            understanding,
            self._stores.revisions,
            self._ledger,
            lambda why: write_private(waiting, why),
        )
        waiting.unlink(missing_ok=True)
        return first

    def _world(self) -> World:
        keys = jwks(self._stores.keys.published())
        here = self._installation
        return World(
            here.login_http,
            here.login_authz,
            keys,
            guard=self._guard,
            key_sets=self._key_sets.published,
        )

    def _grpc(self, own: OwnCredentials) -> grpc.aio.Server:
        """One server, two doors: proxies with a certificate, and those that ask for their first."""
        # Both services are on both doors; all but Join ask for the peer's certificate themselves.
        server = grpc.aio.server(options=_OPTIONS)
        server.add_generic_rpc_handlers(
            (
                *self._xds.handlers(),
                log_handler(self._writer, self._known),
                self._guards.hub.handler(),
                open_handler(self._authority),
                peer_handler(self._authority, self._visible),
            )
        )
        control, enrolment = self._installation.control, self._installation.enrolment
        server.add_secure_port(f"{control.host}:{control.port}", own.grpc_mutual())
        server.add_secure_port(f"{enrolment.host}:{enrolment.port}", own.grpc_open())
        return server

    async def _admin(self, rotation: Rotation) -> None:
        """The admin API, and the files by which the command line finds it."""
        installation = self._installation
        write_private(installation.ca_file, self._authority.web_bundle.decode())
        token = secrets.token_urlsafe(32)
        write_private(installation.token_file, token + "\n")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        await asyncio.to_thread(self._admin_certificate, context)

        def ready(port: int) -> None:
            facts = {
                "url": f"https://127.0.0.1:{port}",
                "token_file": str(installation.token_file),
                "ca": str(installation.ca_file),
            }
            write_facts(installation.admin_file, facts)

        admin = Admin(
            installation=installation,
            ledger=self._ledger,
            authority=self._authority,
            xds=self._xds,
            serving=self._serving,
            rotation=rotation,
            key_sets=self._key_sets,
            api_keys=KeyRing(ApiKeys(self._database), self._guards, self._guard),
            writer=self._writer,
            accounts=self._stores.accounts,
            decisions_store=self._stores.decisions,
            revisions=self._stores.revisions,
            guards=self._guards,
            trust=Withdrawals(
                self._guards, self._stores.accounts, Sessions(self._database), self._guard
            ),
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(self._renew_admin(context))
            host, port = installation.admin.host, installation.admin.port
            serve = run_api(
                host, port, context=context, token=token, control_plane=admin, ready=ready
            )
            group.create_task(serve)

    def _admin_certificate(self, context: ssl.SSLContext) -> None:
        """`context` answers with a fresh certificate from the next handshake on."""
        pair = self._authority.issue_serving(["127.0.0.1", "localhost"])
        file = self._installation.state / "admin.pem"
        write_private(file, (pair.key + pair.chain).decode())
        context.load_cert_chain(file)

    async def _renew_admin(self, context: ssl.SSLContext) -> None:
        while True:
            await asyncio.sleep(_DAY)
            try:
                await asyncio.to_thread(self._admin_certificate, context)
            except OstiaryError as error:  # the old one is good for another day
                _log.error("the admin API's certificate is not renewed", error=str(error))

    async def _listen(self) -> None:
        """What the supervisor asks or passes on.

        A join token for an agent, to say again that all is well, or why a proxy does not run.
        """
        async with asyncio.TaskGroup() as group:
            async for message in self._channel.messages():
                if "need_token" in message:
                    group.create_task(self._give_token(message["need_token"], message["name"]))
                elif "ask_settled" in message:
                    self._settle()
                elif "fault" in message:
                    proxy = message["proxy"]
                    fault = Red(message["code"], proxy, message["fault"], message["hint"])
                    self._ledger.agents[proxy] = fault

    async def _give_token(self, spiffe_id: str, name: str) -> None:
        """The agent called `name` gets its token, as soon as there is a store to keep it in."""
        while True:
            try:
                token = await asyncio.to_thread(self._authority.new_token, spiffe_id)
            except Unreachable as error:
                _log.warning("no join token yet", proxy=spiffe_id, error=str(error))
                await asyncio.sleep(_RETRY)
            else:
                return self._channel.tell(token=token, proxy=name)

    async def _accepted(self, revision: Revision) -> None:
        """The supervisor learns which proxies there are, and when all of them have it."""
        if not self._installation.proxies_elsewhere:
            specs = specs_of(revision.plan, self._authority.bundle.decode(), guard=self._guard)
            if specs != self._specs:
                self._specs = specs
                self._channel.tell(proxies=[asdict(spec) for spec in specs])
        self._settle()

    def _settle(self) -> None:
        if self._settling is not None:
            self._settling.cancel()
        self._settling = asyncio.create_task(self._tell_settled())

    async def _tell_settled(self) -> None:
        """Tells once every proxy of the revision is connected and holds it."""
        revision = self._ledger.revision
        if revision is None:
            return
        wanted = set(revision.snapshot.views)
        while not wanted <= set(self._holding(revision)):
            self._ledger.news.clear()
            await self._ledger.news.wait()
        self._channel.tell(settled=revision.snapshot.revision)

    def _holding(self, revision: Revision) -> list[str]:
        current = revision.snapshot.revision
        return [
            one.proxy for one in self._xds.status() if one.connected and one.accepted == current
        ]

    async def _announce(self, secrets_: Mapping[str, Resource]) -> None:
        """New certificates go to the gateways that serve them, beside all revisions."""
        revision = self._ledger.revision
        for proxy in revision.snapshot.views if revision else ():
            self._xds.publish_secrets(proxy, secrets_)

    def _secret(self, _proxy: str, name: str) -> Resource | None:
        return self._serving.secrets.get(name)

    def _proxies(self) -> Collection[str]:
        """Those of the accepted revision."""
        revision = self._ledger.revision
        return revision.snapshot.views if revision is not None else ()

    def _known(self, proxy: str) -> bool:
        return proxy in self._proxies()

    def _visible(self, proxy: str) -> Visible | None:
        """What `proxy` keeps for the time when we are away."""
        view = self._xds.served(proxy)
        revision = self._ledger.revision
        if view is None or revision is None:
            return None
        accepted = self._ledger.taken.get(proxy, "")
        served = {name: one for name, one in self._serving.secrets.items() if name in view.secrets}
        return Visible(accepted, lambda: to_bytes(view), served)
