"""A first start with faults and nothing accepted before: faulty blocks closed, the rest served.

Fed by `study` and the nouns that could not be read. Closing is generous: a request that *may*
have been meant for something faulty is denied, for a wider route might let it pass on easier
terms. When not even that can be known, nothing is served.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from ostiary.errors import ConfigError, Faults, Place
from ostiary.language.document import Document, Noun
from ostiary.names import Key
from ostiary.plan.doors import Door
from ostiary.plan.hosts import covers
from ostiary.plan.model import PathMatch, Plan, Route
from ostiary.plan.policy import PolicyRecord
from ostiary.plan.salvage import EVERYTHING, Salvage, hosts_in, salvage
from ostiary.plan.study import Study

CLOSED: Final = "the configuration of this address has a fault, so it is closed."
"""What anybody may read. The fault itself is for the administrator."""
_UNKNOWABLE: Final = frozenset(
    {"file.missing", "file.vanished", "file.unreadable", "file.none", "yaml.too-large"}
)


def first_start(document: Document, study: Study) -> Plan:
    """The plan of `study` with everything faulty closed. Raises `Faults` if nothing is safe."""
    faulty = {noun for noun, _ in study.found if noun is not None}
    doors = [each for each in study.doors.values() if each.serving and each.noun not in faulty]
    if not doors or _is_unknowable(document):
        raise Faults([*study.faults, _unserved(document)])
    closed = _Closed()
    _close_files(closed, document, doors)
    for lost in _lost(document, study):
        _close_salvage(closed, lost, doors)
    judge = _Judge(document, study, faulty, closed)
    gateways = {each.key: each.gateway for each in doors}
    routes = [judge.judged(route) for route in study.plan.routes if route.gateway in gateways]
    services = {
        key: service
        for key, service in study.plan.services.items()
        if document.services[key.name] not in faulty
    }
    sign_in = {} if judge.no_sessions else study.plan.sign_in
    plan = replace(study.plan, gateways=gateways, services=services, sign_in=sign_in)
    return replace(plan, routes=(*routes, *closed.routes.values()))


@dataclass
class _Closed:
    """What is closed whatever the sound routes say."""

    routes: dict[Key, Route] = field(default_factory=dict)
    hosts: set[str] = field(default_factory=set)
    """No route of these hosts is served."""
    paths: set[tuple[str, PathMatch, str]] = field(default_factory=set)
    """(host, path, method); the method is empty for a route that names none."""
    places: set[tuple[str, PathMatch]] = field(default_factory=set)
    """(host, path) that are closed for every method, whoever names it."""

    def add(self, door: Door, host: str, lost: Lost) -> None:
        """Deny what was lost of `host` wherever `door` serves it."""
        for listener in door.serving:
            if any(covers(pattern, host) for pattern in listener.hosts):
                key = Key("ostiary", "ostiary", f"closed.{listener.name}.{host}.{lost.name}")
                self.routes[key] = _denied(key, door.key, listener.name, host, lost)


class Lost(NamedTuple):
    """The requests of one host that something unreadable may have been meant for."""

    name: str
    paths: tuple[PathMatch, ...] = (EVERYTHING,)
    methods: tuple[str, ...] | None = None


def _denied(key: Key, gateway: Key, listener: str, host: str, lost: Lost) -> Route:
    return Route(
        key=key,
        gateway=gateway,
        listener=listener,
        hosts=(host,),
        paths=lost.paths,
        methods=lost.methods,
        service=None,
        login=False,
        levels=(),
        blocks={},
        policy=PolicyRecord(key.path, (host,), (), login=False, place="").hash,
        denied=CLOSED,
    )


def _is_unknowable(document: Document) -> bool:
    """Whether something that may say anything could not be read at all."""
    return any(
        noun.kind == "trust_domain"
        or (noun.kind == "file" and noun.tree.faults[0][1].code in _UNKNOWABLE)
        for noun in document.broken
    )


def _unserved(document: Document) -> ConfigError:
    nouns = (*document.broken, *document.gateways.values())
    place = nouns[0].place if nouns else Place("the document")
    sentence = "no gateway can be served safely while these faults stand"
    return ConfigError("plan.unserved", sentence, place, "mend them; the next save is tried again")


def _close_files(closed: _Closed, document: Document, doors: list[Door]) -> None:
    """A file that is no YAML: every host that stands in its text is closed."""
    for noun in document.broken:
        if noun.kind != "file":
            continue
        for host in hosts_in([str(noun.value)]):
            closed.hosts.add(host)
            for door in doors:
                closed.add(door, host, Lost("file"))


def _lost(document: Document, study: Study) -> Iterator[Salvage]:
    """Routes that are not in the plan at all."""
    for noun in document.broken:
        if noun.kind == "route":
            yield salvage(noun)
    for one in study.resolutions:
        if not one.routes:
            yield salvage(one.noun)


def _close_salvage(closed: _Closed, lost: Salvage, doors: list[Door]) -> None:
    named = [door for door in doors if door.noun.name == lost.gateway]
    for host in lost.hosts:
        if not lost.paths:
            closed.hosts.add(host)
        if not lost.methods_known:
            closed.places |= {(host, path) for path in lost.paths}
        methods = lost.methods or ("",)
        closed.paths |= {(host, path, one) for path in lost.paths for one in methods}
        what = Lost(lost.noun.name, lost.paths or (EVERYTHING,), lost.methods)
        for door in named or doors:
            closed.add(door, host, what)


@dataclass
class _Judge:
    """Decides for each route of the plan whether it is served or closed."""

    document: Document
    study: Study
    faulty: set[Noun[object]]
    closed: _Closed

    def __post_init__(self) -> None:
        kinds = {noun.kind for noun in self.document.broken}
        self.no_sessions = "sessions" in kinds or self.document.sessions in self.faulty
        self.no_gateway = "gateway" in kinds

    def judged(self, route: Route) -> Route:
        """`route` as it is, or with all its traffic denied."""
        if route.own or not self._is_doubtful(route):
            return route
        return replace(route, denied=CLOSED, service=None, login=False, levels=(), blocks={})

    def _is_doubtful(self, route: Route) -> bool:
        noun = self.document.routes[route.key.name]
        service = None if route.service is None else self.document.services[route.service.name]
        return (
            noun in self.faulty
            or service in self.faulty
            or (route.identified and self.no_sessions)
            or (self.no_gateway and noun.value.gateway is None)
            or any(host in self.closed.hosts for host in route.hosts)
            or any(
                self._is_taken(route, host, path) for host in route.hosts for path in route.paths
            )
        )

    def _is_taken(self, route: Route, host: str, path: PathMatch) -> bool:
        """Whether something lost may have been meant for the very same requests."""
        if (host, path) in self.closed.places:
            return True
        return any((host, path, method) in self.closed.paths for method in route.methods or ("",))
