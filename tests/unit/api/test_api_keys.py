"""API keys over the admin API, on a real store."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from api_running import TOKEN, Api, running_api


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(tmp_path) as running:
        yield running


@pytest.fixture
async def client(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {TOKEN}"}
    trusted = ssl.create_default_context(cafile=api.ca)
    async with httpx.AsyncClient(base_url=api.url, headers=headers, verify=trusted) as made:
        yield made


async def test_a_key_is_shown_once(client: httpx.AsyncClient) -> None:
    body = {"name": "backup", "groups": ["robots"], "lasts": "90d"}
    made = await client.post("/v1/keys", json=body)
    assert made.status_code == 201
    text, row = made.json()["text"], made.json()["key"]
    assert text.startswith("ostk_")
    assert (row["user"], row["groups"]) == ("key:backup", ["robots"])
    assert row["expires"] - row["created"] == 90 * 86_400
    listed = await client.get("/v1/keys")
    assert listed.json() == [row]
    assert text not in listed.text
    assert (await client.get("/v1/verdicts")).json() == []
    again = await client.post(f"/v1/keys/{row['id']}/rotate", json={"overlap": "1m"})
    assert again.status_code == 201
    assert again.json()["text"] != text
    assert (await client.delete(f"/v1/keys/{row['id']}")).status_code == 200
    assert [one["id"] for one in (await client.get("/v1/keys")).json()] == [
        again.json()["key"]["id"]
    ]


@pytest.mark.parametrize(
    "body",
    [{}, {"name": ""}, {"name": "x\n"}, {"name": "x", "lasts": "soon"}, {"name": "x", "key": "y"}],
)
async def test_what_names_no_key_is_said(client: httpx.AsyncClient, body: object) -> None:
    answer = await client.post("/v1/keys", json=body)
    assert 400 <= answer.status_code < 500
    assert (await client.get("/v1/keys")).json() == []


async def test_without_a_guard_no_key_is_made(tmp_path: Path) -> None:
    async with running_api(tmp_path, guarded=False) as bare:
        trusted = ssl.create_default_context(cafile=bare.ca)
        headers = {"authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(base_url=bare.url, headers=headers, verify=trusted) as made:
            answer = await made.post("/v1/keys", json={"name": "backup"})
            assert "no API key would count" in answer.text
            assert (await made.get("/v1/keys")).json() == []


async def test_nobody_may_put_that_a_key_exists(client: httpx.AsyncClient) -> None:
    body = {"kind": "api-key", "key": "0" * 64, "effect": "known"}
    answer = await client.post("/v1/verdicts", json=body)
    assert "is no effect" in answer.text
