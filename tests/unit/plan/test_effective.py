"""`effective` says what a route comes to, with nothing left to look up."""

from __future__ import annotations

from ostiary.errors import Place
from ostiary.features.timeouts import Timeouts
from ostiary.names import Key, local
from ostiary.plan.effective import effective, route_names
from ostiary.plan.model import (
    Endpoint,
    MiniGateway,
    PathKind,
    PathMatch,
    Plan,
    Route,
    Service,
    SignIn,
)
from ostiary.policy.rules import Effect, Level, Rule

GATEWAY, NOTES = local("main"), local("notes")
PLACE = Place("site.yaml", 7, 3)
SERVICE = Service(
    NOTES,
    (Endpoint("", 0, "/run/app.sock"), Endpoint("10.0.0.1", 9001)),
    MiniGateway("127.0.0.1", 15443, (GATEWAY,)),
    None,
    2.0,
    PLACE,
)
SIGN_IN = SignIn(
    GATEWAY,
    "https",
    "login.localhost",
    "https://login.localhost:8443",
    60,
    28_800,
    43_200,
    0,
    frozenset({"editors"}),
    "g1",
    ("local",),
)
ROUTE = Route(
    key=NOTES,
    gateway=GATEWAY,
    listener="https",
    hosts=("notes.localhost",),
    paths=(PathMatch(PathKind.PREFIX, ""), PathMatch(PathKind.EXACT, "/x")),
    methods=None,
    service=NOTES,
    login=True,
    levels=(
        Level(
            "route notes",
            (
                Rule("editors write", Effect.ALLOW, groups=("editors",), methods=("GET", "POST")),
                Rule("notes/access[1]", Effect.DENY, paths=("/admin/*",)),
            ),
        ),
        Level("service notes", (Rule("anybody", Effect.ALLOW, public=True),)),
    ),
    blocks={"timeouts": Timeouts(request="30s")},
    policy="0123456789abcdef",
    place=PLACE,
    origins={"timeouts.request": "gateway main"},
)
OWN = Route(
    key=Key("ostiary", "ostiary", "sign-in"),
    gateway=GATEWAY,
    listener="https",
    hosts=("login.localhost",),
    paths=(PathMatch(PathKind.PREFIX, ""),),
    methods=None,
    service=None,
    login=False,
    levels=(),
    blocks={},
    policy="",
    own=True,
)
PLAN = Plan("test.ostiary", {}, {NOTES: SERVICE}, (ROUTE, OWN), {GATEWAY: SIGN_IN})


def test_a_route_is_shown_whole() -> None:
    found = effective(PLAN, "notes")
    assert found is not None
    assert (found.place, found.gateway, found.policy) == ("site.yaml:7:3", "main", ROUTE.policy)
    assert (found.paths, found.methods) == (("/*", "/x"), ())
    assert "/run/app.sock, 10.0.0.1:9001, behind its mini gateway 127.0.0.1:15443" in found.to
    assert "local at https://login.localhost:8443; tokens 60 s" in found.sign_in
    assert found.blocks["timeouts"] == {"request": "30s", "idle": "5m"}
    assert found.origins == {"timeouts.request": "gateway main"}
    assert found.denied == ""


def test_every_level_and_rule_is_in_words() -> None:
    found = effective(PLAN, "default/default/notes")
    assert found is not None
    assert found.access == {
        "route notes": (
            "allow editors write: groups editors; methods GET, POST",
            "deny notes/access[1]: paths /admin/*",
        ),
        "service notes": ("allow anybody: anybody",),
    }


def test_a_route_of_ours_can_be_asked_for_but_is_not_offered() -> None:
    found = effective(PLAN, "ostiary/ostiary/sign-in")
    assert found is not None
    assert (found.to, found.sign_in) == ("login", "none")
    assert route_names(PLAN) == ("notes",)


def test_an_unknown_route_is_none() -> None:
    assert effective(PLAN, "mail") is None
