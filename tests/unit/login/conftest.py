"""A whole `login` on loopback: real SQLite, real TLS."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from login_site import (
    APP,
    CHEAP,
    RECORD,
    Authority,
    Browser,
    Clock,
    Site,
    cookies_of,
    directory,
    running,
)

from ostiary.identity.model import Account
from ostiary.login.passwords import hash_password
from ostiary.login.ports import Stores
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
def stored(tmp_path: Path) -> Iterator[Site]:
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
    yield Site(stores, accounts, sessions, keys, site, clock, Authority(), tmp_path)
    database.close()


@pytest.fixture
async def site(stored: Site) -> AsyncIterator[Site]:
    """`login` runs."""
    async with running(stored):
        yield stored


@pytest.fixture
async def browser(site: Site) -> AsyncIterator[Browser]:
    """A browser that knows nothing yet."""
    fresh = site.browser()
    async with fresh.client:
        yield fresh
