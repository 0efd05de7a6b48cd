"""Two listeners on one port. Two Envoys would share it silently, each with half the requests.

Fed by `study`. Whether another program holds a port is found out when it is bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ostiary.errors import ConfigError, Place
from ostiary.language.document import Noun
from ostiary.language.gateway import Gateway
from ostiary.language.service import Service

_ANY = ("0.0.0.0", "::")  # noqa: S104  to compare with, not to bind


def port_faults(
    gateways: Iterable[Noun[Gateway]], services: Iterable[Noun[Service]]
) -> Iterator[tuple[Noun[object], ConfigError]]:
    """One fault for every listener on a port that an earlier one has, with its noun."""
    taken: dict[int, list[tuple[str, str]]] = {}
    for noun, owner, address, port, place in _listeners(gateways, services):
        others = taken.setdefault(port, [])
        for other, theirs in others:
            if address == theirs or address in _ANY or theirs in _ANY:
                sentence = f"{owner} and {other} both listen on port {port}"
                hint = "give one of them another port"
                yield noun, ConfigError("plan.port-twice", sentence, place, hint)
                break
        others.append((owner, address))


def _listeners(
    gateways: Iterable[Noun[Gateway]], services: Iterable[Noun[Service]]
) -> Iterator[tuple[Noun[object], str, str, int, Place]]:
    for gateway in gateways:
        for name, listener in gateway.value.listeners.items():
            place = gateway.at("listeners", name, "port")
            owner = f"listener {name} of {gateway}"
            yield gateway, owner, listener.address, listener.port, place
    for service in services:
        mini = service.value.mini_gateway
        if mini is not None:
            place = service.at("mini_gateway", "port")
            yield service, f"the mini gateway of {service}", mini.address, mini.port, place
