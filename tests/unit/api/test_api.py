"""The admin API over real HTTPS: a token or nothing, JSON in and out, errors as sentences."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from api_running import POLICY, TOKEN, Api, Plane, certificates, running_api

from ostiary.api import run_api
from ostiary.errors import Unreachable
from ostiary.store.database import Database
from ostiary.store.decisions import Decisions


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(tmp_path) as running:
        yield running


@pytest.fixture
async def client(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {TOKEN}"}
    context = ssl.create_default_context(cafile=str(api.ca))
    async with httpx.AsyncClient(base_url=api.url, verify=context, headers=headers) as made:
        yield made


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("authorization", "Bearer wrong")],
        [("authorization", TOKEN)],
        [("authorization", f"bearer {TOKEN}")],
        [("authorization", f"Bearer {TOKEN}"), ("authorization", f"Bearer {TOKEN}")],
    ],
)
async def test_without_the_token_there_is_nothing(api: Api, headers: list[tuple[str, str]]) -> None:
    context = ssl.create_default_context(cafile=str(api.ca))
    async with httpx.AsyncClient(base_url=api.url, verify=context) as stranger:
        for path in ("/v1/status", "/v1/users", "/nothing"):
            answer = await stranger.get(path, headers=headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
            assert answer.json()["error"]["code"] == "token-wrong"


async def test_status_is_whole(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/status")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    found = answer.json()
    address = {"listener": "https", "host": "127.0.0.1", "port": 8443}
    assert found["gateways"] == [{"namespace": "default", "name": "main", "addresses": [address]}]
    assert found["proxies"][0]["connected"] is True
    assert found["revision"]["number"] == 3
    assert found["log"] == {"written": 1, "dropped": 0, "kept": 1}


async def test_explain_is_by_id(client: httpx.AsyncClient) -> None:
    (found,) = (await client.get("/v1/explain/d1")).json()
    assert found["outcome"] == "refused"
    assert found["missing"][0]["rule"] == "editors write"
    assert found["inputs"][0] == {"name": "signed in as", "value": "visitor"}


async def test_what_is_not_recorded_is_said_not_guessed(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/explain/unheard-of")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not-recorded"
    assert "not recorded" in answer.json()["error"]["message"]


async def test_effective_takes_both_names_of_a_route(client: httpx.AsyncClient) -> None:
    for name in ("notes", "default%2Fdefault%2Fnotes", "default/default/notes"):
        assert (await client.get(f"/v1/effective/{name}")).json()["route"] == "notes"
    missing = await client.get("/v1/effective/mail")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "route-unknown")


async def test_decisions_are_filtered(client: httpx.AsyncClient) -> None:
    async def ids(query: str) -> list[str]:
        return [one["id"] for one in (await client.get(f"/v1/decisions?{query}")).json()]

    assert await ids("") == ["d1"]
    assert await ids("denied=true&subject=visitor&route=default/default/notes") == ["d1"]
    assert await ids("denied=false") == []
    assert await ids("limit=0") == []
    for wrong in ("limit=many", "limit=-1", "denied=perhaps"):
        assert (await client.get(f"/v1/decisions?{wrong}")).status_code == 422


async def test_users_come_and_are_disabled(api: Api, client: httpx.AsyncClient) -> None:
    new = {"name": "ada", "email": "ada@example.com", "groups": ["staff"], "password": "pw"}
    made = await client.post("/v1/users", json=new)
    assert made.status_code == 201
    assert "password" not in made.text
    assert api.plane.passwords == {"ada": "pw"}
    again = await client.post("/v1/users", json=new)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "account-exists")
    reached = (await client.post("/v1/users/ada/disable")).json()
    assert (len(reached["enforced"]), reached["missing"], reached["guarded"]) == (2, [], True)
    assert (await client.get("/v1/users")).json()[0]["disabled"] is True
    await client.post("/v1/users/ada/enable")
    assert (await client.get("/v1/users")).json()[0]["disabled"] is False
    assert (await client.get("/v1/users")).json()[0]["groups"] == ["staff"]
    nobody = await client.post("/v1/users/bob/disable")
    assert (nobody.status_code, nobody.json()["error"]["code"]) == (404, "account-unknown")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[1]",
        b"\xff",
        b'{"name": "ada", "password": 5}',
        b'{"name": "ada", "password": "pw", "admin": true}',
        b'{"name": null, "password": "pw"}',
    ],
)
async def test_a_misshapen_body_is_said_field_by_field(
    api: Api, client: httpx.AsyncClient, body: bytes
) -> None:
    answer = await client.post("/v1/users", content=body)
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "body-misshapen"
    assert api.plane.accounts == {}


async def test_a_refused_password_is_not_said_back(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/users", json={"name": "ada", "password": ["hunter2"]})
    assert "hunter2" not in answer.text


async def test_a_huge_body_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/users", content=b" " * 100_000)
    assert answer.status_code == 413


async def test_a_join_token_is_made(client: httpx.AsyncClient) -> None:
    made = await client.post("/v1/join-tokens", json={"proxy": "spiffe://x/y"})
    assert (made.status_code, made.json()["token"]) == (201, "join-me")


async def test_an_unreachable_store_is_503_in_words(api: Api, client: httpx.AsyncClient) -> None:
    api.plane.away = True
    answer = await client.get("/v1/status")
    assert answer.status_code == 503
    assert answer.json()["error"] == {
        "code": "store-unreachable",
        "message": "the store did not answer",
        "hint": "look at the disk",
    }


async def test_other_ways_and_methods_are_json_too(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v2/status")).json()["error"]["code"] == "http"
    assert (await client.delete("/v1/users")).status_code == 405


async def test_a_taken_port_is_said(tmp_path: Path) -> None:
    database = Database.in_folder(tmp_path)
    database.create()
    _, context = certificates(tmp_path)
    async with running_api(tmp_path) as api:
        port = int(api.url.rpartition(":")[2])
        with pytest.raises(Unreachable, match=str(port)):
            await run_api(
                "127.0.0.1",
                port,
                context=context,
                token=TOKEN,
                control_plane=Plane(Decisions(database)),
            )
    database.close()


async def test_it_ends_when_cancelled_and_frees_its_port(tmp_path: Path) -> None:
    async with running_api(tmp_path) as api:
        port = int(api.url.rpartition(":")[2])
        assert POLICY.hash
    with pytest.raises(OSError, match=r"refused|Connect"):
        await asyncio.open_connection("127.0.0.1", port)
