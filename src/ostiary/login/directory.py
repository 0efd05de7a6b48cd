"""The plan as `login` sees it: from every `login` route its hosts and what their tokens are for.

Pure. Fed by the plan; the control plane puts the result into the store before any proxy gets the
revision.
"""

from __future__ import annotations

from ostiary.certs.spiffe import service_id
from ostiary.identity.directory import Directory, Place, SignInHost
from ostiary.identity.model import Lifetimes
from ostiary.plan.model import Plan, Route, SignIn


def directory_of(plan: Plan) -> Directory:
    """The site directory of `plan`; equal plans give equal directories."""
    hosts: dict[str, list[Route]] = {}
    for route in plan.routes:
        if route.login and not route.own and route.gateway in plan.sign_in:
            for host in route.hosts:
                hosts.setdefault(host, []).append(route)
    return Directory(
        tuple(_place(plan, host, routes) for host, routes in sorted(hosts.items())),
        tuple(sorted((_sign_in(one) for one in plan.sign_in.values()), key=lambda one: one.host)),
    )


def _place(plan: Plan, host: str, routes: list[Route]) -> Place:
    first = routes[0]
    listeners = {one.name: one for one in plan.gateways[first.gateway].listeners}
    services = {route.service for route in routes if route.service is not None}
    return Place(
        pattern=host,
        port=listeners[first.listener].port,
        sign_in=plan.sign_in[first.gateway].host,
        audiences=tuple(sorted(service_id(plan.trust_domain, service) for service in services)),
    )


def _sign_in(found: SignIn) -> SignInHost:
    return SignInHost(
        host=found.host,
        origin=found.origin,
        lifetimes=Lifetimes(found.token_lifetime, found.idle_lifetime, found.absolute_lifetime),
        group_names=found.group_names,
        group_set=found.group_set,
        providers=found.providers,
    )
