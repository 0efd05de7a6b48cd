"""Gateways, resolved: listeners, sign-in host, trusted proxies.

Fed by `resolve`; feeds `routes`. A `Door` keeps the noun beside its meaning, for messages about
routes name the gateway's lines.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Protocol

from ostiary.errors import ConfigError
from ostiary.language import gateway as written
from ostiary.language.document import Noun
from ostiary.language.nearest import did_you_mean
from ostiary.language.patterns import name_trouble
from ostiary.names import Key, local
from ostiary.plan.hosts import sign_in_host
from ostiary.plan.model import CertificateFiles, Gateway, Listener


@dataclass(frozen=True, eq=False)
class Door:
    """A gateway and what its routes must know about it."""

    noun: Noun[written.Gateway]
    gateway: Gateway
    serving: tuple[Listener, ...]
    """The listeners with TLS: the only ones that routes stand on."""
    sign_in_listener: Listener | None
    sign_in_host: str | None
    """None when no name could be found; a fault only once a route has `login`."""

    @property
    def key(self) -> Key:
        """The gateway's key."""
        return self.gateway.key


def door(noun: Noun[written.Gateway], faults: list[ConfigError]) -> Door:
    """What the gateway means; what is wrong with it goes to `faults`."""
    listeners = noun.value.listeners
    for name, listener in listeners.items():
        faults.extend(_listener_faults(noun, name, listener, listeners))
    faults.extend(_proxy_faults(noun))
    at = _sign_in_listener(noun, faults)
    host = _sign_in_host(listeners[at]) if at else None
    resolved = tuple(_listener(name, listeners, host) for name in listeners)
    serving = tuple(listener for listener in resolved if listener.tls)
    if not serving:
        faults.append(
            ConfigError(
                "plan.no-https",
                f"{noun} has no HTTPS listener, so it can serve nothing",
                noun.at("listeners"),
                "add `https: {port: 8443, hosts: [...]}`",
            )
        )
    gateway = Gateway(local(noun.name), resolved, tuple(noun.value.trusted_proxies), noun.place)
    stands = next((listener for listener in serving if listener.name == at), None)
    return Door(noun, gateway, serving, stands, host)


def is_plain(name: str, listener: written.Listener) -> bool:
    """Whether the listener has no TLS."""
    if listener.protocol is not None:
        return listener.protocol == "http"
    return name == "http" or (name != "https" and listener.redirect is not None)


def _listener(
    name: str, listeners: Mapping[str, written.Listener], sign_in: str | None
) -> Listener:
    listener = listeners[name]
    hosts = tuple(dict.fromkeys(listener.hosts))
    plain = is_plain(name, listener)
    target = listeners.get(listener.redirect or "")
    if plain and hosts == ("*",) and target is not None:
        # A redirect never echoes a host that the target does not serve.
        hosts = tuple(dict.fromkeys([*target.hosts, *([sign_in] if sign_in else [])]))
    files = listener.certificate
    return Listener(
        name=name,
        address=listener.address,
        port=listener.port,
        hosts=hosts,
        tls=not plain,
        files=CertificateFiles(files.file, files.key) if files and not plain else None,
        redirect_to=listener.redirect if plain else None,
    )


def _listener_faults(
    noun: Noun[written.Gateway],
    name: str,
    listener: written.Listener,
    listeners: Mapping[str, written.Listener],
) -> list[ConfigError]:
    def fault(code: str, sentence: str, hint: str, *steps: str | int) -> ConfigError:
        place = noun.at("listeners", name, *steps)
        return ConfigError(code, f"{noun}, listener {name}: {sentence}", place, hint)

    found: list[ConfigError] = []
    trouble = name_trouble(name)
    if trouble is not None:
        found.append(fault(trouble.code, trouble.sentence, trouble.hint))
    if not _is_ip(listener.address):
        hint = "write an IP address, such as 127.0.0.1, 0.0.0.0 or ::"
        found.append(
            fault("plan.address", f'"{listener.address}" is not an IP address', hint, "address")
        )
    if is_plain(name, listener):
        return [*found, *_plain_faults(fault_of=fault, listener=listener, listeners=listeners)]
    if listener.redirect is not None:
        sentence = "`redirect` stands on a listener with TLS"
        found.append(fault("plan.redirect", sentence, "leave one of the two out", "redirect"))
    if listener.certificate is None and "*" in listener.hosts:
        sentence = "our authority cannot issue a certificate for every name"
        hint = "write `hosts`, or a `certificate` of your own"
        found.append(fault("plan.no-names", sentence, hint, "hosts"))
    return found


class _FaultOf(Protocol):
    def __call__(self, code: str, sentence: str, hint: str, *steps: str | int) -> ConfigError: ...


def _plain_faults(
    *, fault_of: _FaultOf, listener: written.Listener, listeners: Mapping[str, written.Listener]
) -> list[ConfigError]:
    serving = [name for name, other in listeners.items() if not is_plain(name, other)]
    found: list[ConfigError] = []
    if listener.redirect is None:
        hint = f"add `redirect: {serving[0] if serving else 'https'}`"
        found.append(fault_of("plan.plain", "without TLS a listener may only redirect", hint))
    elif listener.redirect not in serving:
        sentence = f'there is no HTTPS listener "{listener.redirect}"'
        hint = did_you_mean(listener.redirect, serving, "HTTPS listeners")
        found.append(fault_of("plan.unknown-listener", sentence, hint, "redirect"))
    for key in ("certificate", "sign_in_host"):
        if getattr(listener, key) is not None:
            sentence = f"`{key}` needs a listener with TLS"
            found.append(fault_of("plan.plain", sentence, "move it to the HTTPS listener", key))
    return found


def _proxy_faults(noun: Noun[written.Gateway]) -> Iterator[ConfigError]:
    for index, text in enumerate(noun.value.trusted_proxies):
        try:
            ip_network(text)
        except ValueError:
            yield ConfigError(
                "plan.address",
                f'{noun}: "{text}" is not an address range',
                noun.at("trusted_proxies", index),
                "write CIDR, such as 10.0.0.0/8, with no bit set behind the prefix",
            )


def _sign_in_listener(noun: Noun[written.Gateway], faults: list[ConfigError]) -> str | None:
    serving = {n: at for n, at in noun.value.listeners.items() if not is_plain(n, at)}
    named = [name for name, listener in serving.items() if listener.sign_in_host is not None]
    if len(named) > 1:
        faults.append(
            ConfigError(
                "plan.sign-in-host",
                f"{noun} has two sign-in hosts, on {named[0]} and {named[1]}",
                noun.at("listeners", named[1], "sign_in_host"),
                "people sign in on one host of a gateway; keep one",
            )
        )
    return next(iter([*named, *serving]), None)


def _sign_in_host(listener: written.Listener) -> str | None:
    return listener.sign_in_host or sign_in_host(listener.hosts)


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
