"""Every save becomes a revision or a refusal in words; the watching itself never ends.

Fed by `sources` (what changed) and the store (what was accepted before a restart); feeds the
pipeline. A save that is wrong changes nothing. When the very first save is wrong and nothing was
ever accepted, the faulty blocks are denied and the rest is served.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, TypeAlias

import structlog

from ostiary.app.history import History
from ostiary.app.ledger import Ledger
from ostiary.app.pipeline import Pipeline, Revision, Understanding
from ostiary.errors import ConfigError, Faults, OstiaryError, Refused
from ostiary.language.tree import Tree
from ostiary.plan.model import Plan
from ostiary.sources.certificates import check
from ostiary.sources.files import Files
from ostiary.sources.rules import is_kept, with_kept
from ostiary.sources.yaml_tree import parse
from ostiary.store.revisions import Revision as Kept
from ostiary.store.revisions import Revisions


class First(NamedTuple):
    """What is served first."""

    plan: Plan
    faults: tuple[ConfigError, ...] = ()
    """What is denied in it, or was refused, because it is wrong."""
    trees: Sequence[Tree] = ()
    """What it was understood from; nothing when parts of that are denied."""


Accepted: TypeAlias = Callable[[Revision], Awaitable[None]]
_log = structlog.get_logger()


@dataclass(slots=True)
class Changes:
    """The change loop of one control plane."""

    files: Files
    understanding: Understanding
    pipeline: Pipeline
    ledger: Ledger
    history: History
    trust_domain: str
    accepted: Accepted
    """Told of each accepted revision, after it is on its way."""
    look: float = 30.0
    """Seconds between two looks at the date: a machine that slept wakes up on another day."""
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _trees: Sequence[Tree] = ()
    """What was accepted as a whole."""

    async def run(self, first: First) -> None:
        """Serve `first`, then every save, until cancelled."""
        await self._serve(first.plan, first.faults)
        self._trees = first.trees
        if not first.faults:
            self.history.keep(self.files.sources())
        gc.freeze()  # thousands of routes that stay: a search through them holds up every change
        async for trees in self.files.changes():
            await self._change(trees)

    async def days(self) -> None:
        """Each day what was accepted is understood anew, for parts of it may be over."""
        day = self.understanding.today()
        while True:
            await asyncio.sleep(self.look)
            if (today := self.understanding.today()) != day:
                day = today
                await self._anew()

    async def _anew(self) -> None:
        """The accepted documents as they are meant today; a newer refusal stays told."""
        newest = self.ledger.faults, self.ledger.trouble
        try:
            if self._trees:
                await self._serve(self.understanding.plan(self._trees, saved=False))
        except OstiaryError:
            _log.exception("the accepted revision could not be taken up again")
        self.ledger.faults, self.ledger.trouble = newest

    async def _change(self, trees: Sequence[Tree]) -> None:
        try:
            await self._serve(self.understanding.plan(trees))
            self._trees = trees
            self.history.keep(self.files.sources())
        except OstiaryError as error:
            self.ledger.reject(error)
        except Exception as error:  # noqa: BLE001  our bug must not end the last good revision
            _log.exception("a change could not be taken")
            self.ledger.reject(_bug(error))

    async def again(self) -> None:
        """The accepted revision is compiled once more, for a world that has changed."""
        revision = self.ledger.revision
        if revision is not None:
            newest = self.ledger.faults, self.ledger.trouble
            await self._serve(revision.plan, revision.faults)
            self.ledger.faults, self.ledger.trouble = newest

    async def _serve(self, plan: Plan, faults: tuple[ConfigError, ...] = ()) -> None:
        async with self._turn:
            await self._publish(plan, faults)

    async def _publish(self, plan: Plan, faults: tuple[ConfigError, ...]) -> None:
        if plan.trust_domain != self.trust_domain:
            raise Refused(
                "trust-domain-changed",
                f"the trust domain is {self.trust_domain} and cannot become {plan.trust_domain}",
                "every identity is bound to it: start with a new state directory instead",
            )
        now = time.time()
        revision = await self.pipeline.publish(plan, now, faults)
        self.ledger.accept(revision, now)
        await self.accepted(revision)


async def first_plan(
    files: Files,
    understanding: Understanding,
    revisions: Revisions,
    ledger: Ledger,
    waiting: Callable[[str], None],
) -> First:
    """What to serve at the start.

    The documents; if they are wrong, the last accepted revision; if there is none, the documents
    without what is wrong. When nothing can be read at all, waits for a save that can, and says
    each time to `waiting` why.
    """
    trees: Sequence[Tree] = await asyncio.to_thread(files.read)
    saves = files.changes()
    while True:
        try:
            return First(understanding.plan(trees, saved=False), (), trees)
        except Faults as error:
            found = error
        newest = revisions.newest()
        accepted = _accepted(newest, understanding) if newest is not None else None
        if newest is not None and accepted is not None:
            ledger.number = newest.number
            ledger.reject(found, f"refused, revision {newest.number} is served")
            return accepted._replace(faults=found.faults)
        try:
            first = First(*understanding.first(trees))
        except Faults:
            ledger.reject(found, "refused, nothing is served until it is mended")
            waiting(str(found))
            trees = await anext(saves)
        else:
            ledger.reject(found, "what is at fault is denied, the rest is served")
            return first


def _accepted(revision: Kept, understanding: Understanding) -> First | None:
    """What was accepted once; None when this version no longer understands it.

    Its certificate files are not judged again: `authority` says what has become of them. Its rules
    are those of then.
    """
    now, sources = datetime.now(UTC), revision.sources
    try:
        parsed = [
            with_kept(check(tree, Path(name).parent, now).tree, name, sources)
            for name, text in sources.items()
            if not is_kept(name)
            for tree in parse(name, text.encode())
        ]
        trees = [replace(tree, faults=()) for tree in parsed]
        return First(understanding.plan(trees, saved=False), (), trees)
    except Faults as error:
        _log.error("the last accepted revision is not understood", error=str(error))
        return None


def _bug(error: Exception) -> Refused:
    return Refused(
        "bug",
        f"this document meets a fault of ours: {type(error).__name__}: {error}",
        "the log of the control plane has the details; please report it",
    )
