"""Which proxies a plan needs, in plain values that travel between processes.

Fed by the accepted plan; feeds the supervisor, the agents and join tickets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ostiary.certs import spiffe
from ostiary.plan.model import Plan


@dataclass(frozen=True, slots=True)
class ProxySpec:
    """One proxy that should run."""

    name: str
    """`gateway-main`, `service-notes`: its folder and log."""
    spiffe_id: str
    trust_domain: str
    bundle: str
    """PEM of the workload authority."""
    listeners: tuple[tuple[str, int], ...]
    """Addresses it will listen on."""
    guard: bool = False
    """Whether its configuration needs the guard."""

    @classmethod
    def of(cls, tree: dict[str, Any]) -> ProxySpec:
        """The spec that was `asdict`ed into JSON."""
        listeners = tuple((str(host), int(port)) for host, port in tree["listeners"])
        return cls(**{**tree, "listeners": listeners})


def specs_of(plan: Plan, bundle: str, *, guard: bool = False) -> list[ProxySpec]:
    """Every proxy of `plan`, gateways first."""
    domain = plan.trust_domain
    found = []
    for gateway in plan.gateways.values():
        addresses = tuple((one.address, one.port) for one in gateway.listeners)
        proxy = spiffe.gateway_id(domain, gateway.key)
        found.append(ProxySpec(_name(proxy), proxy, domain, bundle, addresses, guard))
    for service in plan.services.values():
        if service.mini_gateway is not None:
            address = (service.mini_gateway.address, service.mini_gateway.port)
            proxy = spiffe.service_id(domain, service.key)
            found.append(ProxySpec(_name(proxy), proxy, domain, bundle, (address,), guard))
    return found


def _name(spiffe_id: str) -> str:
    """`gateway-main` for files; other tenants and namespaces stand in front."""
    tenant, namespace, kind, name = spiffe_id.split("/")[3:]
    plain = f"{kind}-{name}"
    return (
        plain if (tenant, namespace) == ("default", "default") else f"{tenant}-{namespace}-{plain}"
    )
