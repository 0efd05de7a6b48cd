"""What a document comes to, fault by fault: the work behind `resolve` and `first_start`.

A `Student` remembers what each route meant for the same inputs, so that one changed route among
thousands costs one route; `tally` and `roll` are what the rest comes to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain
from operator import attrgetter
from typing import Final, TypeAlias

from ostiary.errors import ConfigError
from ostiary.features.waf import Inspection
from ostiary.language import route as written
from ostiary.language.document import Document, Noun
from ostiary.language.gateway import Gateway
from ostiary.language.nearest import did_you_mean
from ostiary.names import Key, local
from ostiary.patched import Patched, differences
from ostiary.plan import model
from ostiary.plan.attached import idle, unattached
from ostiary.plan.checks import noun_faults
from ostiary.plan.credentials import issuer, issuer_warnings
from ostiary.plan.doors import Door, door
from ostiary.plan.levels import level_warnings
from ostiary.plan.own import no_sign_in_host, sign_in, sign_in_route
from ostiary.plan.ports import port_faults
from ostiary.plan.roll import Roll
from ostiary.plan.routes import Around, Claim, Resolution, nowhere, resolve_route
from ostiary.plan.rule_book import RuleBook
from ostiary.plan.tally import Tally
from ostiary.plan.waf import Reading, inspection

TRUST_DOMAIN: Final = "ostiary.internal"
"""The trust domain of a document that names none."""

Found: TypeAlias = list[tuple[Noun[object] | None, ConfigError]]
"""Faults, each with the noun that cannot be served because of it."""


@dataclass(frozen=True, eq=False)
class Study:
    """What was found out. `plan` is only fit to serve when `found` is empty."""

    plan: model.Plan
    doors: Mapping[str, Door]
    resolutions: Sequence[Resolution]
    found: Found
    over: Found
    """What holds no longer by itself: a fault where somebody has just written it."""

    @property
    def faults(self) -> tuple[ConfigError, ...]:
        """Every fault once: one of a gateway is found again for each of its routes."""
        return _once(self.found)

    @property
    def outdated(self) -> tuple[ConfigError, ...]:
        """Everything of `over` once."""
        return _once(self.over)


class Student:
    """Studies one document after another; remembers what did not change."""

    def __init__(self, *, guard: bool = False, book: RuleBook | None = None) -> None:
        self._guard = guard
        self._reading = Reading(book, date.min)
        self._own: dict[str, Inspection | None] = {}
        """Gateway -> what is looked into on pages of ours."""
        self._document = Document()
        self._doors: dict[str, tuple[Door, list[ConfigError]]] = {}
        self._arounds: dict[tuple[str, str | None], Around] = {}
        self._routes: Patched[str, Resolution] = Patched()
        self._tally = Tally()
        self._roll = Roll({}, guard=guard)

    def study(self, document: Document, today: date = date.min) -> Study:
        """What `document` comes to on the day `today`, and everything that is wrong with it."""
        found: Found = []
        doors = self._open(document.gateways, found)
        self._catch_up(document, doors, today)
        tally, roll = self._tally, self._roll
        doubtful = [(one.noun, fault) for one in tally.doubtful for fault in one.faults]
        found += doubtful
        found += noun_faults(document, guard=self._guard)
        found += roll.faults()
        found += port_faults(document.gateways.values(), roll.minis.values())
        if tally.clashes:
            found += _clashes(self._routes.values())
        lost, unused = self._unattached(document)
        if not doubtful:
            # With a route in doubt, what it would have passed is in doubt too.
            found += [(None, fault) for fault in lost]
        signs = _sign_ins(document, doors, tally, found)
        plan = model.Plan(
            trust_domain=document.trust_domain.value if document.trust_domain else TRUST_DOMAIN,
            gateways={each.key: each.gateway for each in doors.values()},
            services=roll.services,
            routes=tuple(self._all_routes(signs)),
            sign_in=signs,
            issuers={name: issuer(one) for name, one in document.issuers.items()},
            warnings=tuple(dict.fromkeys((*unused, *self._warnings(document)))),
        )
        over: Found = [(one.noun, fault) for one in tally.doubtful for fault in one.over]
        return Study(plan, doors, tuple(self._routes.values()), found, over)

    def _open(self, nouns: Mapping[str, Noun[Gateway]], found: Found) -> dict[str, Door]:
        opened: dict[str, tuple[Door, list[ConfigError]]] = {}
        for name, noun in nouns.items():
            before = self._doors.get(name)
            if before is None or before[0].noun is not noun:
                faults: list[ConfigError] = []
                before = (door(noun, faults), faults)
            opened[name] = before
            found += [(noun, fault) for fault in before[1]]
        self._doors = opened
        return {name: each for name, (each, _) in opened.items()}

    def _catch_up(self, document: Document, doors: Mapping[str, Door], today: date) -> None:
        """Bring all that is remembered up to `document`, looking only at what changed."""
        before, self._document = self._document, document
        another_day = today != self._reading.today
        self._reading = Reading(self._reading.book, today)
        gateways = differences(document.gateways, before.gateways)
        identity = differences(document.providers, before.providers)
        if gateways or identity or differences(document.issuers, before.issuers):
            # Every route depends on them.
            before = Document()
            self._arounds, self._routes, self._tally = {}, Patched(), Tally()
            self._roll = Roll(document.gateways, guard=self._guard)
        services = differences(document.services, before.services)
        self._look_around(document, doors, services)
        dated = [one.noun.name for one in self._tally.dated] if another_day else ()
        called = self._resolve_routes(document, before, services, dated)
        self._roll.renew(document.services, {**services, **called}, self._tally.calls)

    def _look_around(
        self, document: Document, doors: Mapping[str, Door], services: Iterable[str]
    ) -> None:
        """Bring `_arounds` up to `document`; `services` came, went or changed."""
        providers = tuple(document.providers)
        issuers = {name: tuple(one.value.audiences) for name, one in document.issuers.items()}
        alone = {name: inspection([each.noun], self._reading) for name, each in doors.items()}
        self._own = {name: made.block for name, made in alone.items()}
        for name, each in doors.items():
            bare = Around(each, None, None, providers, self._guard, issuers=issuers)
            self._arounds[name, None] = bare
            for to in services:
                noun = document.services.get(to)
                if noun is None:
                    self._arounds.pop((name, to), None)
                else:
                    self._arounds[name, to] = bare._replace(service=noun, service_key=local(to))

    def _resolve_routes(
        self,
        document: Document,
        before: Document,
        services: Iterable[str],
        dated: Iterable[str],
    ) -> dict[str, None]:
        """Bring `_routes` and `_tally` up to `document`; the services that routes of it are to.

        Besides those that changed, the routes `dated` are looked at again.
        """
        known, tally = self._routes, self._tally
        stale = {**dict.fromkeys(dated), **differences(document.routes, before.routes)}
        for to in services:
            stale.update((one.noun.name, None) for one in tally.users.get(local(to), ()))
        if services:
            # A hint may name what has come or gone.
            stale.update((one.noun.name, None) for one in tally.doubtful if one.faults)
        changed = {
            name: self._resolve_route(document.routes[name], document)
            for name in stale
            if name in document.routes
        }
        dropped = {name: known[name] for name in stale if name in known}
        # First in, then out: what both sides have, such as a host's own route, stays as it is.
        for one in changed.values():
            tally.add(one)
        for one in dropped.values():
            tally.drop(one)
        self._routes = known.patched(changed, dropped.keys() - changed.keys())
        both = (*changed.values(), *dropped.values())
        return dict.fromkeys(one.service.name for one in both if one.service is not None)

    def _resolve_route(self, noun: Noun[written.Route], document: Document) -> Resolution:
        gateways, to = document.gateways, noun.value.to
        gateway = noun.value.gateway or (next(iter(gateways)) if len(gateways) == 1 else "")
        missing: tuple[ConfigError, ...] = ()
        around = self._arounds.get((gateway, to))
        if around is None:
            missing = tuple(_missing_references(noun, document))
            around = self._arounds.get((gateway, None))
        if around is None:
            return nowhere(noun, missing)
        today = around._replace(reading=self._reading, own=self._own.get(gateway))
        return resolve_route(noun, today, missing)

    def _unattached(self, document: Document) -> tuple[list[ConfigError], list[str]]:
        """Faults for blocks that hold for nothing, warnings for gateways without use."""
        used = {gateway.name for gateway in self._tally.gateways}
        unused = [noun for name, noun in document.gateways.items() if name not in used]
        faults = [(noun, unattached(noun)) for noun in unused]
        lost = [fault for _, fault in faults if fault is not None]
        return [*lost, *self._roll.lost()], [idle(noun) for noun, fault in faults if fault is None]

    def _warnings(self, document: Document) -> Iterator[str]:
        for noun in document.gateways.values():
            yield from level_warnings(noun)
        for one_issuer in document.issuers.values():
            yield from issuer_warnings(one_issuer)
        yield from self._roll.warnings()
        for one in self._tally.doubtful:
            yield from one.warnings

    def _all_routes(self, signs: Mapping[Key, model.SignIn]) -> Iterator[model.Route]:
        written = chain.from_iterable(map(attrgetter("routes"), self._routes.values()))
        signing_in = (sign_in_route(one, self._own.get(key.name)) for key, one in signs.items())
        return chain(written, signing_in, self._tally.own.values())


def _once(found: Found) -> tuple[ConfigError, ...]:
    return tuple({str(fault): fault for _, fault in found}.values())


def _missing_references(noun: Noun[written.Route], document: Document) -> Iterator[ConfigError]:
    gateway, to = noun.value.gateway, noun.value.to
    if gateway is not None and gateway not in document.gateways:
        sentence = f'{noun}: there is no gateway "{gateway}"'
        hint = did_you_mean(gateway, document.gateways, "gateways")
        yield ConfigError("plan.unknown-gateway", sentence, noun.at("gateway"), hint)
    if gateway is None and not document.gateways:
        sentence = f"{noun} has no gateway to stand on"
        hint = "add `gateway: {https: {port: 8443, hosts: [...]}}`"
        yield ConfigError("plan.no-gateway", sentence, noun.place, hint)
    if gateway is None and len(document.gateways) > 1:
        sentence = f"{noun} does not say on which gateway it stands"
        hint = f"add `gateway:`; there are: {', '.join(document.gateways)}"
        yield ConfigError("plan.no-gateway", sentence, noun.place, hint)
    if to is not None and to not in document.services:
        sentence = f'{noun}: there is no service "{to}"'
        hint = did_you_mean(to, document.services, "services")
        yield ConfigError("plan.unknown-service", sentence, noun.at("to"), hint)


def _clashes(resolutions: Iterable[Resolution]) -> Iterator[tuple[Noun[object], ConfigError]]:
    first: dict[Claim, Resolution] = {}
    for resolution in resolutions:
        for claim in resolution.claims:
            earlier = first.setdefault(claim, resolution)
            if earlier is not resolution:
                fault = _same_place(claim, resolution.noun, earlier.noun)
                yield resolution.noun, fault
                yield earlier.noun, fault


def _same_place(
    claim: Claim, noun: Noun[written.Route], earlier: Noun[written.Route]
) -> ConfigError:
    path = claim.path.value + ("/*" if claim.path.kind is model.PathKind.PREFIX else "")
    which = f"{claim.method} {claim.host}{path}" if claim.method else f"{claim.host}{path}"
    return ConfigError(
        "plan.duplicate-route",
        f"{noun} and {earlier} (at {earlier.place}) both answer {which}",
        noun.place,
        "give one of them another host, path or method",
    )


def _sign_ins(
    document: Document, doors: Mapping[str, Door], tally: Tally, found: Found
) -> dict[Key, model.SignIn]:
    signs: dict[Key, model.SignIn] = {}
    for each in doors.values():
        if each.key not in tally.logins:
            continue
        names = (name for gateway, name in tally.groups if gateway == each.key)
        made = sign_in(each, document.sessions, names, tuple(document.providers))
        if made is None:
            found.append((each.noun, no_sign_in_host(each)))
        else:
            signs[each.key] = made
    return signs
