"""The services that the routes of one gateway lead to: their clusters and endpoints.

Kept up as single routes and services come, change and go. Fed by `edge_view`; the resources
themselves are made by `clusters`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from ostiary.compiler import clusters
from ostiary.compiler.holdings import Changes
from ostiary.compiler.resources import Resource
from ostiary.names import Key
from ostiary.patched import differences
from ostiary.plan.model import Route, Service


class Reach:
    """What one gateway reaches."""

    def __init__(self, trust_domain: str) -> None:
        self._trust_domain = trust_domain
        self._routes: Counter[Key] = Counter()
        """Routes by service."""
        self._touched: set[Key] = set()
        """Services to which routes came or went."""
        self._services: Mapping[Key, Service] = {}
        self._made: dict[Key, tuple[Service, tuple[Resource, ...]]] = {}

    def come(self, one: Route) -> None:
        """`one` leads to its service from now on."""
        if one.service is not None:
            self._routes[one.service] += 1
            self._touched.add(one.service)

    def go(self, one: Route) -> None:
        """`one`, which came before, is no more."""
        if one.service is not None:
            self._routes[one.service] -= 1
            self._touched.add(one.service)

    def changes(self, services: Mapping[Key, Service]) -> Changes:
        """The clusters and endpoints that differ from those of the last time."""
        before, self._services = self._services, services
        changed = {key for key in differences(services, before) if key in self._made}
        stale, self._touched = self._touched | changed, set()
        found: dict[tuple[str, str], Resource | None] = {}
        for key in stale:
            service = services[key] if self._routes[key] else None
            known, made = self._made.pop(key, (None, ()))
            if service is None:
                del self._routes[key]
            if service != known:
                found |= {(one.type_url, one.name): None for one in made}
                made = () if service is None else self._resources(service)
                found |= {(one.type_url, one.name): one for one in made}
            if service is not None:
                self._made[key] = service, made
        return found

    def _resources(self, service: Service) -> tuple[Resource, ...]:
        cluster = clusters.edge_cluster(service, self._trust_domain)
        endpoints = clusters.edge_endpoints(service)
        return (cluster,) if endpoints is None else (cluster, endpoints)
