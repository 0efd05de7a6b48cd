"""A plan and a world become every proxy's view: one fold of fragments.

Pure, and deterministic to the byte: equal inputs give equal resources under equal versions. A
`Compiler` remembers what it has made and makes again only what changed; its result equals that of
a new one. Fed by `plan.resolve`; feeds `xds`.
"""

from __future__ import annotations

from collections.abc import Mapping

from ostiary.certs import spiffe
from ostiary.compiler.edge_view import EdgeView
from ostiary.compiler.holdings import Holdings, changes, revision
from ostiary.compiler.mini import mini_view
from ostiary.compiler.resources import Snapshot
from ostiary.compiler.world import World
from ostiary.features.assertion import MiniSite
from ostiary.names import Key
from ostiary.patched import Attendance, differences
from ostiary.plan.model import MiniGateway, Plan, Route, Service


def compile(plan: Plan, world: World) -> Snapshot:  # noqa: A001  the word of the trade
    """Every view of `plan`, made from nothing."""
    return Compiler().compile(plan, world)


class Compiler:
    """Compiles one revision after another; what did not change is the very same object."""

    def __init__(self) -> None:
        self._fold: _Fold | None = None

    def compile(self, plan: Plan, world: World) -> Snapshot:
        """Every view of `plan`, by SPIFFE id."""
        # A fold that did not come to the end is not used again: it knows half of a plan.
        fold, self._fold = self._fold, None
        if fold is None or fold.trust_domain != plan.trust_domain:
            fold = _Fold(plan.trust_domain)
        fold.renew(plan, world)
        self._fold = fold
        return fold.snapshot()


class _Fold:
    """All views within one trust domain, kept up from revision to revision."""

    def __init__(self, trust_domain: str) -> None:
        self.trust_domain = trust_domain
        self._attendance: Attendance[Route] = Attendance()
        self._gateways: dict[Key, EdgeView] = {}
        """Those of the plan, and those on which routes wait for a gateway."""
        self._edges: list[Holdings] = []
        self._services: Mapping[Key, Service] = {}
        self._shared: object = None
        self._minis: dict[Key, _Mini] = {}

    def snapshot(self) -> Snapshot:
        """What is known, as a value."""
        held = [*self._edges, *(mini.holdings for mini in self._minis.values())]
        views = {one.view.proxy: one.view for one in held}
        return Snapshot(revision(one.content for one in held), views)

    def renew(self, plan: Plan, world: World) -> None:
        """Bring everything up to `plan` and `world`, looking only at what changed."""
        came, went = self._attendance.look(plan.routes)
        for one in came:
            self._edge(one.gateway).come(one)
        for one in went:
            self._edge(one.gateway).go(one)
        self._edges = [self._renew_edge(key, plan, world) for key in plan.gateways]
        for key in self._gateways.keys() - plan.gateways.keys():
            if self._gateways[key].empty:
                del self._gateways[key]
        self._renew_minis(plan, world)

    def _edge(self, key: Key) -> EdgeView:
        if key not in self._gateways:
            self._gateways[key] = EdgeView(self.trust_domain, key)
        return self._gateways[key]

    def _renew_edge(self, key: Key, plan: Plan, world: World) -> Holdings:
        found = self._edge(key)
        found.renew(plan.gateways[key], plan, world)
        return found.holdings

    def _renew_minis(self, plan: Plan, world: World) -> None:
        touched = differences(plan.services, self._services)
        shared = world, plan.sign_in
        if shared != self._shared:
            touched = {**touched, **dict.fromkeys(self._minis)}
        for key in touched:
            service = plan.services.get(key)
            if service is None or service.mini_gateway is None:
                self._minis.pop(key, None)
                continue
            if key not in self._minis:
                self._minis[key] = _Mini(spiffe.service_id(self.trust_domain, key))
            self._minis[key].renew(service, service.mini_gateway, plan, world)
        self._services, self._shared = plan.services, shared


class _Mini:
    """The view of one mini gateway."""

    def __init__(self, proxy: str) -> None:
        self.holdings = Holdings(proxy)
        self._basis: object = None

    def renew(self, service: Service, mini: MiniGateway, plan: Plan, world: World) -> None:
        """`holdings` are those of `plan` afterwards."""
        sign_in = [plan.sign_in[one] for one in mini.callers if one in plan.sign_in]
        site = MiniSite(
            issuer=world.issuer,
            jwks=world.jwks,
            audience=self.holdings.view.proxy,
            # Every gateway of a document has the same set of group names.
            group_set=sign_in[0].group_set if sign_in else "",
            offline_grace=max((one.offline_grace for one in sign_in), default=0),
            guard=world.guard,
            trust=service.trust.told if world.guard and service.trust else None,
        )
        callers = [spiffe.gateway_id(plan.trust_domain, one) for one in mini.callers]
        basis = service, site, callers
        if basis != self._basis:
            before = {
                (one.type_url, one.name): one
                for group in self.holdings.view.resources.values()
                for one in group.values()
            }
            self.holdings.take(changes(before, mini_view(service, mini, site, callers)))
            self._basis = basis
