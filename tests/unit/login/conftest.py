"""A whole `login` on loopback: real SQLite, real TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import grpc.aio
import pytest
from login_site import (
    APP,
    CHEAP,
    LOGIN,
    RECORD,
    TRUST,
    Authority,
    Browser,
    Clock,
    Site,
    cookies_of,
    directory,
    files,
)

from ostiary.identity.model import Account
from ostiary.login.passwords import hash_password
from ostiary.login.ports import Stores
from ostiary.login.server import Bound, Listen, run_login
from ostiary.protos.messages import auth
from ostiary.store.accounts import Accounts
from ostiary.store.database import Database
from ostiary.store.keys import Keys
from ostiary.store.revisions import Revisions
from ostiary.store.seal import Seal
from ostiary.store.sessions import Sessions
from ostiary.store.site import SiteStore


@pytest.fixture
def check(site: Site) -> Callable[..., Awaitable[auth.CheckResponse]]:
    """Asks `login` as the gateway does; cookies of the answer go back into the browser."""

    async def ask(browser: Browser, **how: object) -> auth.CheckResponse:
        host = str(how.get("host", APP))
        async with site.channel() as channel:
            call = channel.unary_unary(
                "/envoy.service.auth.v3.Authorization/Check",
                request_serializer=auth.CheckRequest.SerializeToString,
                response_deserializer=auth.CheckResponse.FromString,
            )
            answer: auth.CheckResponse = await call(browser.ask(**how))  # type: ignore[arg-type]
        browser.keep(host, cookies_of(answer))
        return answer

    return ask


@pytest.fixture
def stored(tmp_path: Path) -> Site:
    """The store with two accounts, before `login` runs."""
    clock = Clock()
    database = Database.in_folder(tmp_path)
    database.create()
    seal = Seal.in_folder(tmp_path)
    accounts, sessions, keys = Accounts(database), Sessions(database), Keys(database, seal)
    site, policies = SiteStore(database), Revisions(database)
    keys.ensure(clock.now)
    site.put_directory(directory())
    policies.save_policy(RECORD.hash, RECORD.dump(), clock.now)
    word = hash_password("right", CHEAP)
    for name, groups in (("editor", ("editors", "unnamed")), ("visitor", ())):
        accounts.add(Account(name, f"{name}@x.example", groups, clock.now, password_hash=word))
    stores = Stores(accounts, sessions, keys, site, policies, seal)
    return Site(stores, accounts, sessions, keys, site, clock, Authority(), tmp_path)


@pytest.fixture
async def site(stored: Site) -> AsyncIterator[Site]:
    """`login` runs."""
    who = stored.authority.issue(LOGIN)
    context = ssl.create_default_context(
        ssl.Purpose.CLIENT_AUTH, cadata=stored.authority.bundle.decode()
    )
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(*files(stored.folder, who))
    credentials = grpc.ssl_server_credentials(
        [(who.key, who.certificate)], stored.authority.bundle, require_client_auth=True
    )
    ready: asyncio.Future[Bound] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(
        run_login(
            Listen("127.0.0.1", 0, 0, context, credentials, TRUST),
            stored.stores,
            issuer="ostiary",
            clock=stored.clock,
            on_ready=ready.set_result,
            hasher=CHEAP,
        )
    )
    await asyncio.wait({ready, task}, return_when=asyncio.FIRST_COMPLETED)
    stored.bound = ready.result() if ready.done() else task.result()  # type: ignore[func-returns-value]
    yield stored
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.fixture
async def browser(site: Site) -> AsyncIterator[Browser]:
    """A browser that knows nothing yet."""
    fresh = site.browser()
    async with fresh.client:
        yield fresh
