"""From the plan to what `login` knows of it; and passwords, which know nobody."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest
from argon2 import PasswordHasher
from login_site import CHEAP

from ostiary.errors import NOWHERE, Refused
from ostiary.identity.directory import Place
from ostiary.identity.model import Lifetimes
from ostiary.login.directory import Guide, directory_of
from ostiary.login.passwords import Passwords, hash_password
from ostiary.names import local
from ostiary.plan.model import Gateway, Listener, PathKind, PathMatch, Plan, Route, Service, SignIn

MAIN = local("main")
ROUTE = Route(
    key=local("notes"),
    gateway=MAIN,
    listener="https",
    hosts=("notes.test", "*.apps.test"),
    paths=(PathMatch(PathKind.PREFIX, ""),),
    methods=None,
    service=local("notes"),
    login=True,
    levels=(),
    blocks={},
    policy="p",
)
PLAN = Plan(
    trust_domain="test.ostiary",
    gateways={
        MAIN: Gateway(
            MAIN,
            (
                Listener("http", "127.0.0.1", 8080, (), False, None, "https"),
                Listener("https", "127.0.0.1", 8443, (), True, None, None),
            ),
            (),
            NOWHERE,
        )
    },
    services={
        local(name): Service(local(name), (), None, None, 2.0, NOWHERE) for name in ("notes", "api")
    },
    routes=(
        ROUTE,
        replace(ROUTE, key=local("api"), hosts=("notes.test",), service=local("api")),
        replace(ROUTE, key=local("here"), hosts=("notes.test",), service=None),
        replace(ROUTE, key=local("open"), hosts=("open.test",), login=False),
        replace(ROUTE, key=local("own"), hosts=("own.test",), own=True),
    ),
    sign_in={
        MAIN: SignIn(
            MAIN,
            "https",
            "login.test",
            "https://login.test:8443",
            60,
            600,
            3600,
            0,
            frozenset({"a"}),
            "gv",
            ("local",),
        )
    },
)


def test_only_hosts_with_a_login_route_are_places() -> None:
    known = directory_of(PLAN)
    notes = "spiffe://test.ostiary/default/default/service/notes"
    api = "spiffe://test.ostiary/default/default/service/api"
    assert known.places == (
        Place("*.apps.test", 8443, "login.test", (notes,)),
        Place("notes.test", 8443, "login.test", (api, notes)),
    )


def test_the_sign_in_host_has_its_gateways_settings() -> None:
    found = directory_of(PLAN).sign_in_host("login.test")
    assert found is not None
    assert found.lifetimes == Lifetimes(60, 600, 3600)
    assert (found.group_names, found.group_set) == (frozenset({"a"}), "gv")


def test_equal_plans_give_equal_directories() -> None:
    turned = replace(PLAN, routes=tuple(reversed(PLAN.routes)))
    assert directory_of(turned) == directory_of(PLAN)


def test_a_guide_that_remembers_gives_what_a_new_one_gives() -> None:
    guide, draw, plan = Guide(), random.Random(5), PLAN  # noqa: S311  a test's choice
    side = replace(PLAN.gateways[MAIN], key=local("side"))
    for number in range(80):
        routes = list(plan.routes)
        if routes and draw.random() < 0.4:
            routes.pop(draw.randrange(len(routes)))
        else:
            hosts = tuple({f"h{draw.randrange(4)}.test" for _ in range(2)})
            service = draw.choice((local("notes"), local("api"), None))
            one = replace(ROUTE, key=local(f"n{number}"), hosts=hosts, service=service)
            routes.append(replace(one, gateway=draw.choice((MAIN, side.key))))
        plan = replace(plan, routes=tuple(routes), gateways={MAIN: PLAN.gateways[MAIN]})
        if draw.random() < 0.5:
            signs = {**PLAN.sign_in, side.key: replace(PLAN.sign_in[MAIN], host="login.side.test")}
            plan = replace(plan, gateways={**plan.gateways, side.key: side}, sign_in=signs)
        else:
            plan = replace(plan, sign_in=PLAN.sign_in)
        assert guide.directory(plan) == directory_of(plan)


def test_a_change_that_is_no_business_of_login_gives_the_very_same_directory() -> None:
    guide = Guide()
    before = guide.directory(PLAN)
    public = replace(ROUTE, key=local("more"), hosts=("more.test",), login=False)
    assert guide.directory(replace(PLAN, routes=(*PLAN.routes, public))) is before


@pytest.mark.parametrize("password", ["", "x" * 1025, "é" * 513])
def test_what_is_no_password_is_refused(password: str) -> None:
    with pytest.raises(Refused):
        hash_password(password, CHEAP)


def test_passwords_are_argon2id() -> None:
    assert hash_password("right").startswith("$argon2id$v=19$m=65536,t=3,p=4$")


async def test_only_the_right_password_of_an_account_fits() -> None:
    passwords = Passwords(CHEAP)
    stored = hash_password("right", CHEAP)
    assert await passwords.verify(stored, "right") is True
    assert await passwords.verify(stored, "wrong") is False
    assert await passwords.verify("garbage", "right") is False
    assert await passwords.verify(None, "nobody has this account") is False
    passwords.close()


async def test_more_at_once_than_the_queue_holds_are_told_to_come_back() -> None:
    slow = PasswordHasher(time_cost=4, memory_cost=4096, parallelism=1)
    passwords = Passwords(slow)
    stored = hash_password("right", slow)
    tries = (passwords.verify(stored, "right") for _ in range(40))
    answers = await asyncio.gather(*tries, return_exceptions=True)
    busy = [one for one in answers if isinstance(one, Refused)]
    assert len(busy) == 40 - 18
    assert all(one.code == "busy" for one in busy)
    assert answers.count(True) == 18
    passwords.close()
