"""What a document comes to, fault by fault: the work behind `resolve` and `first_start`.

A `Student` remembers what each route meant for the same inputs, so that one changed route among
thousands costs one route and a walk over the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final, TypeAlias

from ostiary.errors import ConfigError
from ostiary.language import route as written
from ostiary.language.document import Document, Noun
from ostiary.language.gateway import Gateway
from ostiary.language.nearest import did_you_mean
from ostiary.language.service import Service
from ostiary.names import Key, local
from ostiary.plan import model
from ostiary.plan.attached import unattached
from ostiary.plan.doors import Door, door
from ostiary.plan.levels import level_faults, level_warnings
from ostiary.plan.own import (
    no_sign_in_host,
    own_paths,
    session_faults,
    sign_in,
    sign_in_route,
)
from ostiary.plan.ports import port_faults
from ostiary.plan.routes import Around, Claim, Resolution, resolve_route
from ostiary.plan.services import service, service_faults

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

    @property
    def faults(self) -> tuple[ConfigError, ...]:
        """Every fault once: one of a gateway is found again for each of its routes."""
        return tuple({str(fault): fault for _, fault in self.found}.values())


class Student:
    """Studies one document after another; remembers what did not change."""

    def __init__(self) -> None:
        self._doors: dict[str, tuple[Door, list[ConfigError]]] = {}
        self._services: dict[str, tuple[Noun[Service], tuple[Key, ...], model.Service]] = {}
        self._arounds: dict[tuple[str, str | None], Around] = {}
        self._routes: dict[str, tuple[Around, Resolution]] = {}
        self._own: dict[tuple[Key, str, str], model.Route] = {}

    def study(self, document: Document) -> Study:
        """What `document` comes to, and everything that is wrong with it."""
        found: Found = []
        providers = tuple(document.providers)
        doors = self._open(document.gateways, found)
        self._look_around(document, doors, providers)
        resolutions = self._resolve_routes(document, found)
        found += _duplicates(resolutions)
        found += _noun_faults(document)
        signs = _sign_ins(document, doors, resolutions, providers, found)
        lost, idle = unattached(document, resolutions)
        if not any(each.faults for each in resolutions) and len(resolutions) == len(
            document.routes
        ):
            # With a route in doubt, what it would have passed is in doubt too.
            found += [(None, fault) for fault in lost]
        plan = model.Plan(
            trust_domain=document.trust_domain.value if document.trust_domain else TRUST_DOMAIN,
            gateways={each.key: each.gateway for each in doors.values()},
            services=self._resolve_services(document, resolutions),
            routes=tuple(self._all_routes(resolutions, signs)),
            sign_in=signs,
            warnings=(*idle, *_warnings(document, resolutions)),
        )
        return Study(plan, doors, resolutions, found)

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

    def _look_around(
        self, document: Document, doors: Mapping[str, Door], providers: tuple[str, ...]
    ) -> None:
        """One `Around` for each pair of gateway and service; equal ones stay the same object."""
        arounds: dict[tuple[str, str | None], Around] = {}
        for name, each in doors.items():
            for to in (None, *document.services):
                noun = document.services[to] if to is not None else None
                before = self._arounds.get((name, to))
                if (
                    before is not None
                    and before.door is each
                    and before.service is noun
                    and before.providers == providers
                ):
                    arounds[name, to] = before
                else:
                    key = local(to) if to is not None else None
                    arounds[name, to] = Around(each, noun, key, providers)
        self._arounds = arounds

    def _resolve_routes(self, document: Document, found: Found) -> list[Resolution]:
        only = next(iter(document.gateways)) if len(document.gateways) == 1 else ""
        before, arounds = self._routes, self._arounds
        remembered: dict[str, tuple[Around, Resolution]] = {}
        resolutions: list[Resolution] = []
        for name, noun in document.routes.items():
            value = noun.value
            gateway = value.gateway or only
            around = arounds.get((gateway, value.to))
            if around is None:
                found += [(noun, fault) for fault in _missing_references(noun, document)]
                around = arounds.get((gateway, None))
                if around is None:
                    continue
            known = before.get(name)
            if known is None or known[0] is not around or known[1].noun is not noun:
                known = (around, resolve_route(noun, around))
            remembered[name] = known
            resolutions.append(known[1])
            if known[1].faults:
                found += [(noun, fault) for fault in known[1].faults]
        self._routes = remembered
        return resolutions

    def _resolve_services(
        self, document: Document, resolutions: Sequence[Resolution]
    ) -> dict[Key, model.Service]:
        calls = sorted({r.calls for r in resolutions if r.calls is not None})
        callers: dict[Key, list[Key]] = {}
        for gateway, to in calls:
            callers.setdefault(to, []).append(gateway)
        made: dict[str, tuple[Noun[Service], tuple[Key, ...], model.Service]] = {}
        for name, noun in document.services.items():
            who = tuple(callers.get(local(name), ()))
            before = self._services.get(name)
            if before is None or before[0] is not noun or before[1] != who:
                before = (noun, who, service(noun, who))
            made[name] = before
        self._services = made
        return {found.key: found for _, _, found in made.values()}

    def _all_routes(
        self, resolutions: Sequence[Resolution], signs: Mapping[Key, model.SignIn]
    ) -> Iterator[model.Route]:
        yield from chain.from_iterable(r.routes for r in resolutions)
        yield from map(sign_in_route, signs.values())
        own: dict[tuple[Key, str, str], model.Route] = {}
        for spot in dict.fromkeys(chain.from_iterable(r.sign_in for r in resolutions)):
            own[spot] = self._own.get(spot) or own_paths(*spot)
        self._own = own
        yield from own.values()


def _noun_faults(document: Document) -> Iterator[tuple[Noun[object], ConfigError]]:
    for provider in document.providers.values():
        if provider.value.type is None and provider.name != "local":
            sentence = f"{provider} does not say what it is"
            hint = "add `type: local`"
            yield provider, ConfigError("plan.provider-type", sentence, provider.place, hint)
    for noun in document.services.values():
        for fault in service_faults(noun, document.gateways):
            yield noun, fault
    for above in (*document.gateways.values(), *document.services.values()):
        for fault in level_faults(above):
            yield above, fault
    if document.sessions is not None:
        for fault in session_faults(document.sessions):
            yield document.sessions, fault
    yield from port_faults(document)


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


def _duplicates(
    resolutions: Sequence[Resolution],
) -> Iterator[tuple[Noun[object], ConfigError]]:
    counted = sum(len(r.claims) for r in resolutions)
    if len(set(chain.from_iterable(r.claims for r in resolutions))) == counted:
        return
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
    document: Document,
    doors: Mapping[str, Door],
    resolutions: Sequence[Resolution],
    providers: tuple[str, ...],
    found: Found,
) -> dict[Key, model.SignIn]:
    needed = {spot[0] for r in resolutions for spot in r.sign_in}
    signs: dict[Key, model.SignIn] = {}
    for each in doors.values():
        if each.key not in needed:
            continue
        names: Iterable[str] = chain.from_iterable(
            r.groups for r in resolutions if r.groups and r.sign_in and r.sign_in[0][0] == each.key
        )
        made = sign_in(each, document.sessions, names, providers)
        if made is None:
            found.append((each.noun, no_sign_in_host(each)))
        else:
            signs[each.key] = made
    return signs


def _warnings(document: Document, resolutions: Sequence[Resolution]) -> Iterator[str]:
    for noun in (*document.gateways.values(), *document.services.values()):
        yield from level_warnings(noun)
    for resolution in resolutions:
        if resolution.warnings:
            yield from resolution.warnings
