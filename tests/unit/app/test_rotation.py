"""A signing key is used only after every proxy knows it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ostiary.app.ledger import Ledger
from ostiary.app.pipeline import Revision
from ostiary.app.rotation import Rotation
from ostiary.compiler.resources import Snapshot, View
from ostiary.plan.model import Plan
from ostiary.store.database import Database
from ostiary.store.keys import Keys
from ostiary.store.seal import Seal
from ostiary.xds.server import XdsServer
from ostiary.xds.status import ProxyStatus

PROXY = "spiffe://test/default/default/gateway/main"


class Proxies(XdsServer):
    """One proxy, as the test wants it."""

    holds = ""

    def status(self) -> tuple[ProxyStatus, ...]:
        connected = 1 if self.holds else 0
        return (ProxyStatus(PROXY, connected, self.holds, False, (), (), 0.0, 0),)


@dataclass
class Rig:
    """A rotation whose clock is a number."""

    keys: Keys
    proxies: Proxies
    now: float = 1000.0
    published: list[int] = field(default_factory=list)

    def rotation(self) -> Rotation:
        ledger = Ledger(lambda _: None)
        plan = Plan("test", {}, {}, (), {})
        ledger.revision = Revision(plan, Snapshot("r1", {PROXY: View(PROXY, {}, frozenset())}))

        async def publish() -> None:
            self.published.append(len(self.keys.published()))

        return Rotation(
            self.keys, ledger, self.proxies, publish, period=100, look=0.001, clock=lambda: self.now
        )


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    database = Database.in_folder(tmp_path)
    database.create()
    keys = Keys(database, Seal.in_folder(tmp_path))
    keys.ensure(1000.0)
    yield Rig(keys, Proxies())
    database.close()


async def run_for_a_while(rotation: Rotation) -> None:
    task = asyncio.create_task(rotation.run())
    await asyncio.sleep(0.1)
    task.cancel()


async def test_a_young_key_stays(rig: Rig) -> None:
    rig.proxies.holds, rig.now = "r1", 1099.0
    before = rig.keys.current().kid
    await run_for_a_while(rig.rotation())
    assert rig.keys.current().kid == before
    assert rig.published == []


async def test_an_old_key_gives_way_to_the_one_every_proxy_knows(rig: Rig) -> None:
    rig.proxies.holds, rig.now = "r1", 1100.0
    before, known = rig.keys.current().kid, {key.kid for key in rig.keys.published()}
    await run_for_a_while(rig.rotation())
    after = rig.keys.current().kid
    assert after != before
    assert after in known
    assert before in {key.kid for key in rig.keys.published()}
    assert rig.published == [3]


@pytest.mark.parametrize("holds", ["", "r0"])
async def test_a_proxy_that_is_behind_holds_the_old_key_in_use(rig: Rig, holds: str) -> None:
    rig.proxies.holds, rig.now = holds, 1150.0
    before = rig.keys.current().kid
    rotation = rig.rotation()
    await run_for_a_while(rotation)
    assert rig.keys.current().kid == before
    assert rotation.reds() == ()
    rig.now = 1200.0
    (red,) = rotation.reds()
    assert red.code == "keys-waiting"
    assert PROXY in red.message


async def test_a_store_that_is_away_is_waited_for(rig: Rig, tmp_path: Path) -> None:
    rig.proxies.holds, rig.now = "r1", 1100.0
    before = rig.keys.current().kid
    (tmp_path / "ostiary.db").rename(tmp_path / "elsewhere.db")
    task = asyncio.create_task(rig.rotation().run())
    await asyncio.sleep(0.1)
    assert not task.done()
    (tmp_path / "elsewhere.db").rename(tmp_path / "ostiary.db")
    await asyncio.sleep(0.1)
    task.cancel()
    assert rig.keys.current().kid != before
