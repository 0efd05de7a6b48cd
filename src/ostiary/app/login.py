"""`login` as one process: its stores and credentials, joined.

Fed by the supervisor; needs the store and its key, never the control plane. Feeds the gateways.
"""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import closing
from pathlib import Path

from ostiary.app.channel import Channel
from ostiary.app.installation import Installation
from ostiary.app.key_sets import KeySets
from ostiary.app.process import run_until_told
from ostiary.authority.issuer import Authority
from ostiary.authority.own import OwnCredentials
from ostiary.certs.spiffe import login_id
from ostiary.compiler.world import ISSUER
from ostiary.login.ports import Enforce, Enforced, Stores
from ostiary.login.server import Listen, run_login
from ostiary.proxy.guard import installed
from ostiary.store.accounts import Accounts
from ostiary.store.api_keys import ApiKeys
from ostiary.store.authority import AuthorityStore
from ostiary.store.database import Database
from ostiary.store.keys import Keys
from ostiary.store.revisions import Revisions
from ostiary.store.seal import Seal
from ostiary.store.sessions import Sessions
from ostiary.store.site import TRUST_DOMAIN, SiteStore
from ostiary.verdicts.poke import poke

_LOOK = 0.02
"""Seconds between two looks whether the control plane has made the authority."""


def run_login_process(installation: Installation, channel: socket.socket) -> None:
    """The whole life of the process; returns when it is told to end."""
    run_until_told(lambda: _run(installation), Channel(channel).fail)


async def _run(installation: Installation) -> None:
    with closing(installation.database()) as database:
        await _serve(installation, database)


async def _serve(installation: Installation, database: Database) -> None:
    await asyncio.to_thread(database.create)  # we may be here before the control plane
    seal = Seal.in_folder(installation.state)
    site = SiteStore(database)
    stores = Stores(
        accounts=Accounts(database),
        sessions=Sessions(database),
        keys=Keys(database, seal),
        site=site,
        policies=Revisions(database),
        seal=seal,
        enforce=_enforcing(installation) if installed() else None,
        key_sets=KeySets(site),
        api_keys=ApiKeys(database),
    )
    domain = await _trust_domain(site)
    authority = await asyncio.to_thread(Authority.open, AuthorityStore(database, seal), domain)
    own = OwnCredentials(authority, login_id(domain))
    async with asyncio.TaskGroup() as group:
        group.create_task(own.run())
        group.create_task(
            run_login(_listen(installation, own, domain), stores, issuer=ISSUER, clock=time.time)
        )


def _enforcing(installation: Installation) -> Enforce:
    """The control plane pushes what the store has, and says who enforces it."""

    async def enforce(number: int) -> Enforced:
        receipt = await poke(installation.verdicts_socket, number)
        late = tuple(one.rsplit("/", 1)[-1] for one in receipt.missing)
        return Enforced(len(receipt.enforced), late, receipt.seconds)

    return enforce


def _listen(installation: Installation, own: OwnCredentials, domain: str) -> Listen:
    folder: Path = installation.state / "login"
    folder.mkdir(mode=0o700, exist_ok=True)
    return Listen(
        host=installation.login_http.host,
        http_port=installation.login_http.port,
        authz_port=installation.login_authz.port,
        http_tls=own.server_context(folder),
        authz_credentials=own.grpc_mutual(),
        trust_domain=domain,
    )


async def _trust_domain(site: SiteStore) -> str:
    """The trust domain, as soon as the control plane has accepted a first document."""
    while (  # noqa: ASYNC110  another process makes it true
        domain := await asyncio.to_thread(site.get, TRUST_DOMAIN)
    ) is None:
        await asyncio.sleep(_LOOK)
    return domain
