"""Small plans by hand, for tests of the compiler."""

from __future__ import annotations

from ostiary.compiler.world import Address, World
from ostiary.errors import NOWHERE
from ostiary.names import local
from ostiary.plan.model import (
    Endpoint,
    Gateway,
    Listener,
    MiniGateway,
    PathKind,
    PathMatch,
    Plan,
    Route,
    Service,
    SignIn,
)
from ostiary.policy.rules import Effect, Level, Rule

WORLD = World(Address("127.0.0.1", 1), Address("127.0.0.1", 2), '{"keys":[]}')
MAIN, NOTES = local("main"), local("notes")
PUBLIC = Level("route", (Rule("public", Effect.ALLOW, public=True),))
HTTPS = Listener("https", "127.0.0.1", 8443, ("*.localhost",), True, None, None)


def service(mini: MiniGateway | None = None, host: str = "127.0.0.1") -> Service:
    """The service `notes`."""
    return Service(NOTES, (Endpoint(host, 9001),), mini, None, 2.0, NOWHERE)


def sign_in(grace: int = 0) -> SignIn:
    """The sign-in of the gateway `main`."""
    origin = "https://login.localhost:8443"
    names = frozenset({"staff"})
    return SignIn(
        MAIN, "https", "login.localhost", origin, 60, 600, 3600, grace, names, "gv", ("local",)
    )


def route(
    name: str,
    host: str,
    path: str = "",
    *,
    kind: PathKind = PathKind.PREFIX,
    methods: tuple[str, ...] | None = None,
) -> Route:
    """A public route to `notes`."""
    return Route(
        key=local(name),
        gateway=MAIN,
        listener="https",
        hosts=(host,),
        paths=(PathMatch(kind, path),),
        methods=methods,
        service=NOTES,
        login=False,
        levels=(PUBLIC,),
        blocks={},
        policy="0" * 16,
    )


def plan(*routes: Route, notes: Service | None = None) -> Plan:
    """One gateway, one service, these routes."""
    gateway = Gateway(MAIN, (HTTPS,), (), NOWHERE)
    return Plan("test", {MAIN: gateway}, {NOTES: notes or service()}, routes, {})
