"""Trust over the admin API, on a real store."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from api_running import EDGE, MINI, TOKEN, Api, running_api

from ostiary.api.ports import User
from ostiary.identity.model import Account, Session
from ostiary.identity.rotation import PlainHandle, first_handle
from ostiary.store.accounts import Accounts
from ostiary.store.sessions import Sessions


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(tmp_path) as running:
        running.plane.accounts["ada"] = User("ada", "", (), disabled=False)
        yield running


@pytest.fixture
async def client(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {TOKEN}"}
    trusted = ssl.create_default_context(cafile=api.ca)
    async with httpx.AsyncClient(base_url=api.url, headers=headers, verify=trusted) as made:
        yield made


async def test_a_verdict_is_put_listed_and_lifted(client: httpx.AsyncClient) -> None:
    body = {"kind": "user", "key": "ada", "reason": "left-company", "why": "asked by her team"}
    given = await client.post("/v1/verdicts", json=body)
    assert given.status_code == 201
    verdict, reached = given.json()["verdict"], given.json()["reached"]
    assert (verdict["effect"], verdict["expires"]) == ("deny", None)
    assert reached["enforced"] == [EDGE, MINI]
    assert [one["id"] for one in (await client.get("/v1/verdicts")).json()] == [verdict["id"]]
    assert (await client.get("/v1/verdicts?kind=session")).json() == []
    await client.delete(f"/v1/verdicts/{verdict['id']}?why=back")
    assert (await client.get("/v1/verdicts")).json() == []
    deeds = (await client.get(f"/v1/audit?verdict={verdict['id']}")).json()
    assert [(one["deed"], one["why"]) for one in deeds] == [
        ("lift", "back"),
        ("put", "asked by her team"),
    ]


async def test_the_same_verdict_twice_is_one(client: httpx.AsyncClient) -> None:
    one = "8c4f2c8e-0000-4000-8000-000000000001"
    body = {"kind": "address", "key": "192.0.2.0/24", "effect": "limit", "rate": "5/s", "id": one}
    assert (await client.post("/v1/verdicts", json=body)).status_code == 201
    await client.post("/v1/verdicts", json=body)
    assert len((await client.get("/v1/verdicts")).json()) == 1


async def test_who_is_late_is_named(api: Api, client: httpx.AsyncClient) -> None:
    api.plane.late = (MINI,)
    given = await client.post("/v1/verdicts", json={"kind": "user", "key": "ada"})
    assert given.json()["reached"]["missing"] == [MINI]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"kind": "planet", "key": "x"}, "verdict-kind"),
        ({"kind": "user", "key": "nobody"}, "account-unknown"),
        ({"kind": "user", "key": "ada", "effect": "scold"}, "verdict-effect"),
        ({"kind": "user", "key": "ada", "reason": "Not a code"}, "verdict-reason"),
        ({"kind": "user", "key": "ada", "lasts": "soon"}, "verdict-duration"),
        ({"kind": "user", "key": "ada", "effect": "limit"}, "verdict-rate"),
        ({"kind": "user", "key": "ada", "effect": "limit", "rate": "much"}, "verdict-rate"),
        ({"kind": "address", "key": "192.0.2.7/24"}, "verdict-key"),
        ({"kind": "token", "key": "secret"}, "verdict-key"),
        ({"kind": "user", "key": "ada", "id": "7"}, "verdict-id"),
    ],
)
async def test_what_makes_no_sense_is_said(
    client: httpx.AsyncClient, body: dict[str, str], code: str
) -> None:
    answer = await client.post("/v1/verdicts", json=body)
    assert answer.json()["error"]["code"] == code
    assert (await client.get("/v1/verdicts")).json() == []


async def test_without_a_guard_a_verdict_is_refused(tmp_path: Path) -> None:
    async with running_api(tmp_path, guarded=False) as api:
        context = ssl.create_default_context(cafile=api.ca)
        headers = {"authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(base_url=api.url, headers=headers, verify=context) as client:
            answer = await client.post("/v1/verdicts", json={"kind": "user", "key": "ada"})
    assert answer.json()["error"]["code"] == "guard-missing"


async def test_sessions_are_listed_by_account_and_ended(
    api: Api, client: httpx.AsyncClient
) -> None:
    database = api.plane.decisions_kept._database
    Accounts(database).add(Account("ada", "", (), created=0.0))
    handle = first_handle(PlainHandle(b"f", b"s"), "s1", "login.test", 1.0)
    Sessions(database).open(Session("s1", "ada", "local", "password", 1.0, 1.0), handle, None)
    (one,) = (await client.get("/v1/sessions")).json()
    assert (one["sid"], one["account"], one["created"]) == ("s1", "ada", 1.0)
    assert (await client.get("/v1/sessions?account=bob")).json() == []
    ended = await client.delete("/v1/sessions/s1")
    assert (ended.status_code, ended.json()["enforced"]) == (200, [EDGE, MINI])
    assert (await client.get("/v1/sessions")).json() == []
    (deed,) = (await client.get("/v1/audit")).json()
    assert (deed["kind"], deed["key"], deed["reason"]) == (
        "session",
        "s1",
        "ended-by-administrator",
    )


async def test_an_account_is_disabled_and_enabled(api: Api, client: httpx.AsyncClient) -> None:
    for word, disabled in (("disable", True), ("enable", False)):
        answer = await client.post(f"/v1/users/ada/{word}")
        assert (answer.status_code, answer.json()["guarded"]) == (200, True)
        assert api.plane.accounts["ada"].disabled is disabled
        assert (await client.post(f"/v1/users/eve/{word}")).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/verdicts"),
        ("POST", "/v1/verdicts"),
        ("DELETE", "/v1/verdicts/8c4f2c8e-0000-4000-8000-000000000009"),
        ("GET", "/v1/sessions"),
        ("DELETE", "/v1/sessions/s1"),
        ("POST", "/v1/users/ada/disable"),
        ("POST", "/v1/users/ada/enable"),
        ("GET", "/v1/audit"),
    ],
)
async def test_nobody_comes_in_without_the_token(api: Api, method: str, path: str) -> None:
    trusted = ssl.create_default_context(cafile=api.ca)
    async with httpx.AsyncClient(base_url=api.url, verify=trusted) as stranger:
        assert (await stranger.request(method, path)).status_code == 401


async def test_unknown_things_are_not_found(client: httpx.AsyncClient) -> None:
    nothing = "8c4f2c8e-0000-4000-8000-000000000009"
    for path in (f"/v1/verdicts/{nothing}", "/v1/sessions/s1"):
        answer = await client.delete(path)
        assert answer.status_code == 404
    assert (await client.delete("/v1/verdicts/7")).status_code == 422
    assert (await client.get("/v1/audit?limit=many")).status_code == 422
