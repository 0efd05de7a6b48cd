"""The site directory: which hosts have sign-in, where that is, and what their tokens say.

The control plane writes it at each accepted revision; `login` needs nothing else of the plan.
Fed by `login.directory`; feeds `returns`, `tokens` and all of `login`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Final

from ostiary.identity.model import Lifetimes

_HTTPS: Final = 443


@dataclass(frozen=True, slots=True)
class Place:
    """An application host with at least one `login` route."""

    pattern: str
    """Lower case, no port; `*.x.example` for a wildcard."""
    port: int
    sign_in: str
    """The sign-in host."""
    audiences: tuple[str, ...]
    """SPIFFE ids of the services reachable here: who may read the identity assertion."""


@dataclass(frozen=True, slots=True)
class SignInHost:
    """A sign-in host and the settings of its gateway."""

    host: str
    origin: str
    lifetimes: Lifetimes
    group_names: frozenset[str]
    group_set: str
    """`gv` of tokens minted now."""
    providers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Door:
    """One application host as somebody asked for it: where tokens are valid."""

    host: str
    """Lower case, no port; never a wildcard."""
    place: Place
    sign_in: SignInHost


@dataclass(frozen=True, slots=True)
class Directory:
    """Everything `login` knows about the current revision."""

    places: tuple[Place, ...] = ()
    sign_in: tuple[SignInHost, ...] = ()
    _exact: dict[str, Place] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Exact lookups are ready."""
        self._exact.update({place.pattern: place for place in reversed(self.places)})

    def place(self, host: str) -> Place | None:
        """The place of `host`: itself, else the longest wildcard above it."""
        if "*" in host:
            return None
        if host in self._exact:
            return self._exact[host]
        rest = host
        while "." in rest:
            rest = rest.partition(".")[2]
            if (found := self._exact.get(f"*.{rest}")) is not None:
                return found
        return None

    def sign_in_host(self, host: str) -> SignInHost | None:
        """The settings of the sign-in host `host`."""
        return next((found for found in self.sign_in if found.host == host), None)

    def door(self, host: str) -> Door | None:
        """The door at `host`; None when no `login` route is there."""
        place = self.place(host)
        sign_in = None if place is None else self.sign_in_host(place.sign_in)
        return None if place is None or sign_in is None else Door(host, place, sign_in)


def write_place(place: Place) -> str:
    """`place` as JSON; equal places give equal text."""
    row = (place.pattern, place.port, place.sign_in, place.audiences)
    return json.dumps(row, separators=(",", ":"))


def read_place(text: str) -> Place:
    """The place that was written as `text`."""
    pattern, port, sign_in, audiences = json.loads(text)
    return Place(pattern, port, sign_in, tuple(audiences))


def write_sign_in(hosts: Sequence[SignInHost]) -> str:
    """`hosts` as canonical JSON: equal settings give equal text."""
    rows = [{**asdict(found), "group_names": sorted(found.group_names)} for found in hosts]
    return json.dumps(rows, sort_keys=True, separators=(",", ":"))


def read_sign_in(text: str) -> tuple[SignInHost, ...]:
    """The sign-in hosts that were written as `text`."""
    return tuple(
        SignInHost(
            host=row["host"],
            origin=row["origin"],
            lifetimes=Lifetimes(**row["lifetimes"]),
            group_names=frozenset(row["group_names"]),
            group_set=row["group_set"],
            providers=tuple(row["providers"]),
        )
        for row in json.loads(text)
    )


def origin(host: str, port: int) -> str:
    """`https://host:port` as a browser spells it: no port when it is 443."""
    return f"https://{host}" if port == _HTTPS else f"https://{host}:{port}"


def host_of(authority: str) -> str:
    """The host of a `Host` header or `:authority`: lower case, no port."""
    host, colon, port = authority.lower().rpartition(":")
    return host if colon and port.isdigit() else authority.lower()
