"""Services, resolved: endpoints, mini gateway, the service's own access level.

Fed by `resolve`, which knows the callers; feeds `routes` (the level) and the plan.
"""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_address

from ostiary.errors import ConfigError
from ostiary.language import service as written
from ostiary.language.document import Noun
from ostiary.language.nearest import did_you_mean
from ostiary.language.units import seconds
from ostiary.names import Key, local
from ostiary.plan.levels import level
from ostiary.plan.model import Endpoint, MiniGateway, Service


def service(noun: Noun[written.Service], callers: tuple[Key, ...]) -> Service:
    """What the service means when the gateways `callers` have routes to it."""
    mini = noun.value.mini_gateway
    if mini is not None and mini.callers is not None:
        callers = tuple(dict.fromkeys(map(local, mini.callers)))
    return Service(
        key=local(noun.name),
        endpoints=tuple(endpoint(address) for address in noun.value.at),
        mini_gateway=None if mini is None else MiniGateway(mini.address, mini.port, callers),
        level=level(noun),
        connect_timeout=seconds(noun.value.connect_timeout),
        place=noun.place,
        trust=noun.value.trust,
    )


def endpoint(address: str) -> Endpoint:
    """`127.0.0.1:9001`, `[::1]:9001` or `unix:/run/notes.sock`, whose shape was checked."""
    if address.startswith("unix:"):
        return Endpoint("", 0, address.removeprefix("unix:"))
    host, _, port = address.rpartition(":")
    return Endpoint(host.removeprefix("[").removesuffix("]"), int(port))


def service_faults(noun: Noun[written.Service], gateways: Collection[str]) -> list[ConfigError]:
    """What is wrong with the service itself."""
    found: list[ConfigError] = []
    if seconds(noun.value.connect_timeout) == 0:
        sentence = f"{noun}: a connection needs some time to open"
        place = noun.at("connect_timeout")
        found.append(ConfigError("plan.timeout", sentence, place, "write a time such as 2s"))
    mini = noun.value.mini_gateway
    if mini is None:
        return found
    try:
        ip_address(mini.address)
    except ValueError:
        sentence = f'{noun}: "{mini.address}" is not an IP address'
        place = noun.at("mini_gateway", "address")
        hint = "write an IP address, such as 127.0.0.1"
        found.append(ConfigError("plan.address", sentence, place, hint))
    for index, caller in enumerate(mini.callers or ()):
        if caller not in gateways:
            place = noun.at("mini_gateway", "callers", index)
            sentence = f'{noun}: there is no gateway "{caller}"'
            hint = did_you_mean(caller, gateways, "gateways")
            found.append(ConfigError("plan.unknown-gateway", sentence, place, hint))
    return found
