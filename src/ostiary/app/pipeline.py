"""The journey of a change, on one page and in order.

    sources ─▶ language ─▶ plan ─▶ compiler ─▶ xds ─▶ Envoy ─▶ ACK or NACK, back to the line

Every step takes a value and returns the next one. A fault in any of them leaves the last accepted
revision as it is and is told to the writer. Two lanes go beside: certificates, and what `login`
and `explain` must know before a proxy can ask them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from ostiary.authority.serving import ServingSecrets, Wanted
from ostiary.compiler.compile import Compiler
from ostiary.compiler.resources import Snapshot
from ostiary.compiler.spelling import serving_certificates
from ostiary.compiler.world import World
from ostiary.errors import ConfigError
from ostiary.identity.directory import Directory
from ostiary.identity.issuers import write_issuers
from ostiary.language.read import Reader
from ostiary.language.tree import Tree
from ostiary.login.directory import Guide
from ostiary.plan.model import Plan
from ostiary.plan.resolve import Resolver
from ostiary.plan.routes import record
from ostiary.plan.rule_book import RuleBook
from ostiary.store.revisions import Revisions
from ostiary.store.site import SiteStore
from ostiary.wire import ISSUERS_TEXT
from ostiary.xds.server import XdsServer


@dataclass(frozen=True, slots=True)
class Revision:
    """One accepted state of the watched files and what it became."""

    plan: Plan
    snapshot: Snapshot
    faults: tuple[ConfigError, ...] = ()
    """Only on a first start: what was wrong with the blocks that are denied meanwhile."""


def _utc_today() -> date:
    return datetime.now(UTC).date()


class Understanding:
    """language, plan: what is written becomes what is meant. Remembers what did not change."""

    def __init__(
        self,
        *,
        guard: bool,
        book: RuleBook | None = None,
        today: Callable[[], date] = _utc_today,
    ) -> None:
        self._reader = Reader()
        self._resolver = Resolver(guard=guard, book=book)
        self.today = today
        """The day in UTC, by which exclusions end."""

    def plan(self, trees: Sequence[Tree], *, saved: bool = True) -> Plan:
        """What `trees` mean today; `Faults` has all that is wrong with them.

        What is over by its date is wrong only in what somebody has just `saved`.
        """
        return self._resolver.resolve(self._reader.read(trees), self.today(), saved=saved)

    def first(self, trees: Sequence[Tree]) -> tuple[Plan, tuple[ConfigError, ...]]:
        """The same for a first start with nothing accepted: a faulty block's traffic is denied."""
        document, unread = self._reader.read_lenient(trees)
        plan, faults = self._resolver.resolve_first(document, self.today())
        return plan, (*unread, *faults)


class Pipeline:
    """compiler, xds: what is meant reaches the proxies, and is remembered for `login`."""

    def __init__(
        self,
        world: World,
        xds: XdsServer,
        serving: ServingSecrets,
        revisions: Revisions,
        site: SiteStore,
    ) -> None:
        self.world = world
        self._compiler = Compiler()
        self._xds = xds
        self._serving = serving
        self._revisions = revisions
        self._site = site
        self._recorded: set[str] = set()
        self._guide = Guide()
        self._directory: Directory | None = None

    async def publish(
        self, plan: Plan, now: float, faults: tuple[ConfigError, ...] = ()
    ) -> Revision:
        """`plan` is on its way to every proxy when this returns."""
        snapshot = self._compiler.compile(plan, self.world)
        self._remember(plan, now)
        await self._serving.want(certificates(plan))
        self._xds.publish(snapshot)
        return Revision(plan, snapshot, faults)

    def _remember(self, plan: Plan, now: float) -> None:
        """`login` and `explain` can look up every policy before a proxy names it."""
        new = {route.policy: route for route in plan.routes if route.policy not in self._recorded}
        if new:
            records = {content: record(route).dump() for content, route in new.items()}
            self._revisions.save_policies(records, now)
            self._recorded.update(new)
        self._site.put(ISSUERS_TEXT, write_issuers(plan.issuers.values()))
        directory = self._guide.directory(plan)
        if directory is not self._directory:
            self._site.put_directory(directory)
            self._directory = directory


def certificates(plan: Plan) -> dict[str, Wanted]:
    """Every serving certificate that the gateways of `plan` need, by secret name."""
    wanted: dict[str, Wanted] = {}
    for gateway in plan.gateways.values():
        for listener in gateway.listeners:
            if not listener.tls:
                continue
            brought = listener.files
            files = (brought.certificate, brought.key) if brought is not None else None
            for name, hosts in serving_certificates(
                gateway.key, listener, plan.sign_in.get(gateway.key)
            ):
                wanted[name] = Wanted(hosts, files)
    return wanted
