"""The change loop and the calendar: what was accepted is understood anew on a new day."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from shelf import Shelf

from ostiary.app.changes import Changes, First, first_plan
from ostiary.app.history import History
from ostiary.app.ledger import Ledger
from ostiary.app.pipeline import Pipeline, Revision, Understanding
from ostiary.compiler.resources import Snapshot
from ostiary.errors import ConfigError
from ostiary.features.waf import Inspection
from ostiary.plan.model import Plan
from ostiary.sources.files import Files
from ostiary.store.database import Database
from ostiary.store.revisions import Revisions

DOCUMENT = """\
trust_domain: test
gateway: {https: {port: 8443, hosts: ["*.localhost"]}}
services: {notes: {at: ["127.0.0.1:9001"]}}
routes:
  notes:
    host: notes.localhost
    to: notes
    access: public
    waf: {exclude: [{rule: 10300, because: quotes, until: 2026-06-10}]}
"""


class Proxies(Pipeline):
    """Takes every plan and does nothing with it."""

    def __init__(self) -> None:
        self.served: list[Plan] = []

    async def publish(
        self,
        plan: Plan,
        now: float,  # noqa: ARG002
        faults: tuple[ConfigError, ...] = (),
    ) -> Revision:
        self.served.append(plan)
        return Revision(plan, Snapshot(str(len(self.served)), {}), faults)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  a ledger has no event for everything
            await asyncio.sleep(0.005)


class Rig:
    """A change loop whose day is a number."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "site.yaml"
        self.file.write_text(DOCUMENT)
        self.day = 10
        self.files, self.proxies = Files([self.file]), Proxies()
        self.understanding = Understanding(
            guard=True, book=Shelf(), today=lambda: date(2026, 6, self.day)
        )
        self.ledger = Ledger(lambda _: None)
        self.database = Database.in_folder(folder)
        self.database.create()
        self.revisions = Revisions(self.database)
        self.changes = Changes(
            files=self.files,
            understanding=self.understanding,
            pipeline=self.proxies,
            ledger=self.ledger,
            history=History(self.revisions, self.ledger),
            trust_domain="test",
            accepted=self._accepted,
            look=0.001,
        )

    async def _accepted(self, revision: Revision) -> None:
        """Nobody is told."""

    async def first(self) -> First:
        return await first_plan(
            self.files, self.understanding, self.revisions, self.ledger, lambda _: None
        )

    @property
    def excluded(self) -> int:
        block = self.proxies.served[-1].routes[0].blocks["waf"]
        assert isinstance(block, Inspection)
        return len(block.exclude)

    async def until(self, served: int) -> None:
        await until(lambda: len(self.proxies.served) >= served)


async def running(rig: Rig, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
    first = await rig.first()
    tasks = [group.create_task(rig.changes.run(first)), group.create_task(rig.changes.days())]
    await rig.until(1)
    return tasks


async def test_an_exclusion_ends_on_the_day_after_without_a_save(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    async with asyncio.TaskGroup() as group:
        tasks = await running(rig, group)
        assert rig.excluded == 1
        await asyncio.sleep(0.05)
        assert len(rig.proxies.served) == 1
        rig.day = 11
        await rig.until(2)
        assert rig.excluded == 0
        assert "was over on 2026-06-10" in rig.proxies.served[-1].warnings[0]
        assert rig.ledger.red() == ()
        for task in tasks:
            task.cancel()


async def test_a_save_that_was_refused_stays_red_on_the_next_day(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    async with asyncio.TaskGroup() as group:
        tasks = await running(rig, group)
        rig.file.write_text(DOCUMENT.replace("to: notes", "to: nowhere"))
        await until(rig.ledger.red)
        rig.day = 11
        await rig.until(2)
        assert rig.excluded == 0
        assert [one.code for one in rig.ledger.red()] == ["plan.unknown-service"]
        for task in tasks:
            task.cancel()


@pytest.mark.parametrize("day", [10, 11])
async def test_a_start_takes_an_exclusion_that_is_over_and_a_save_does_not(
    tmp_path: Path, day: int
) -> None:
    rig = Rig(tmp_path)
    rig.day = day
    async with asyncio.TaskGroup() as group:
        tasks = await running(rig, group)
        assert rig.excluded == (day == 10)
        rig.file.write_text(DOCUMENT + "# saved again\n")
        if day == 10:
            await rig.until(2)
            assert rig.ledger.red() == ()
        else:
            await until(rig.ledger.red)
            assert [one.code for one in rig.ledger.red()] == ["plan.waf-over"]
        for task in tasks:
            task.cancel()
