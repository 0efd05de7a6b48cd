"""Keys of an issuer that nobody knows yet: one question fetches them, the others wait for it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path

import pytest
from joserfc.jwk import ECKey
from machine_rig import AUDIENCE, HOST, LEVELS, Issuer, corp_of, stores_of

from ostiary.app.key_sets import KeySets
from ostiary.errors import Refused, Unreachable
from ostiary.identity.issuers import Issuer as Terms
from ostiary.login.asked import Asked, Machine
from ostiary.login.machine import FETCHES, Machines
from ostiary.login.ports import Stores
from ostiary.plan.policy import PolicyRecord
from ostiary.store.database import Database

pytestmark = pytest.mark.skipif(
    find_spec("ostiary_guard") is None, reason="credentials need the guard"
)
TOLD = f'{{"login": false, "bearer": {{"corp": ["{AUDIENCE}"]}}}}'
RECORD = PolicyRecord("default/default/notes", (HOST,), LEVELS, False, "", credentials=TOLD)


@dataclass
class Slow(KeySets):
    """An issuer that takes its time: a fetch ends when `go` is set, or fails when it is `away`."""

    go: threading.Event = field(default_factory=threading.Event)
    away: bool = False
    fetches: int = 0

    def fetch(self, issuer: Terms) -> str:
        self.fetches += 1
        assert self.go.wait(20)
        if self.away:
            raise Unreachable("key-set-away", "nobody answers")
        return KeySets.fetch(self, issuer)


@dataclass(frozen=True)
class Site:
    """What answers, and who signs."""

    machines: Machines
    keys: Slow
    issuer: Issuer
    stores: Stores

    def ask(self, sub: str) -> int:
        """The status of a question about a token that the issuer's newest key signed."""
        key = self.issuer.keys["new"]
        token = self.issuer.token(key=key, header={"kid": "new"}, sub=sub)
        asked = Asked(
            decision="decision-1",
            host=HOST,
            method="GET",
            path="/",
            headers={},
            route="default/default/notes",
            policy=RECORD.hash,
            session=None,
            stale=None,
        )
        door = self.stores.site.directory().door(HOST)
        assert door is not None
        found = self.machines.answer(asked, Machine("bearer", "corp", token), door, RECORD)
        return int(found.denied_response.status.code) or 200


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """`login` knows the issuer's keys but the newest."""
    issuer, database = Issuer(tmp_path / "keys.json"), Database.in_folder(tmp_path)
    with contextlib.closing(database):
        corp, ours = corp_of(issuer.file), ECKey.generate_key("P-256")
        stores = stores_of(tmp_path, database, corp, RECORD, ours)
        issuer.keys["new"] = ECKey.generate_key("P-256", {"kid": "new"})
        issuer.publish()
        keys = Slow(stores.site)  # type: ignore[arg-type]  the rig's is the real one
        machines = Machines(replace(stores, key_sets=keys), "https://login.test", time.time)
        yield Site(machines, keys, issuer, stores)


def test_one_fetches_and_all_who_wait_get_in(site: Site) -> None:
    with ThreadPoolExecutor(12) as pool:
        asking = [pool.submit(site.ask, f"robot-{number}") for number in range(12)]
        time.sleep(0.3)
        site.keys.go.set()
        assert [one.result(20) for one in asking] == [200] * 12
    assert site.keys.fetches == 1


def test_an_issuer_that_is_away_holds_up_only_so_many(site: Site) -> None:
    site.keys.away = True
    with ThreadPoolExecutor(24) as pool:
        asking = [pool.submit(site.ask, f"robot-{number}") for number in range(24)]
        refused = 0
        end = time.monotonic() + 20
        while refused < 4:
            assert time.monotonic() < end
            done = [one for one in asking if one.done()]
            refused = sum(isinstance(one.exception(), Refused) for one in done)
            time.sleep(0.01)
        site.keys.go.set()
        answers = [one.result(20) for one in asking if one.exception(20) is None]
    assert answers == [401] * 20
    assert site.keys.fetches == FETCHES
