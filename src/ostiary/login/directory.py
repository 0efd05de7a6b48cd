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
    """The site directory of `plan`; equal plans give equal directories, ordered by host."""
    ids = {key: service_id(plan.trust_domain, key) for key in plan.services}
    doors: dict[str, Route] = {}
    audiences: dict[str, set[str]] = {}
    for route in plan.routes:
        if not route.login or route.own or route.gateway not in plan.sign_in:
            continue
        for host in route.hosts:
            doors.setdefault(host, route)
            readers = audiences.setdefault(host, set())
            if route.service is not None:
                readers.add(ids[route.service])
    ports = {
        (key, listener.name): listener.port
        for key, gateway in plan.gateways.items()
        for listener in gateway.listeners
    }
    places = (
        Place(
            pattern=host,
            port=ports[route.gateway, route.listener],
            sign_in=plan.sign_in[route.gateway].host,
            audiences=tuple(sorted(audiences[host])),
        )
        for host, route in sorted(doors.items(), key=lambda item: item[0])
    )
    hosts = sorted((_sign_in(one) for one in plan.sign_in.values()), key=lambda one: one.host)
    return Directory(tuple(places), tuple(hosts))


def _sign_in(found: SignIn) -> SignInHost:
    return SignInHost(
        host=found.host,
        origin=found.origin,
        lifetimes=Lifetimes(found.token_lifetime, found.idle_lifetime, found.absolute_lifetime),
        group_names=found.group_names,
        group_set=found.group_set,
        providers=found.providers,
    )
