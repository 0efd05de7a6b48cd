"""Who may speak to `login` at all: gateways of our trust domain over mutual TLS."""

from __future__ import annotations

import asyncio
import errno
import socket
import threading

import grpc
import httpx
import pytest
from login_site import GATEWAY, LOGIN, SERVICE, SIGN_IN, TRUST, Authority, Site, running

from ostiary.errors import Unreachable
from ostiary.login.peer import certificate_uris, is_gateway
from ostiary.login.server import Listen, run_login


@pytest.mark.parametrize(
    "uri",
    [SERVICE, LOGIN, "spiffe://other.ostiary/default/default/gateway/main", f"{GATEWAY}/more"],
)
async def test_another_certificate_of_our_authority_is_cut_off(site: Site, uri: str) -> None:
    with pytest.raises(httpx.TransportError):
        await _get(site, site.authority.issue(uri))


async def test_no_certificate_is_cut_off(site: Site) -> None:
    with pytest.raises(httpx.TransportError):
        await _get(site, None)


async def test_a_certificate_of_another_authority_is_cut_off(site: Site) -> None:
    with pytest.raises(httpx.TransportError):
        await _get(site, Authority().issue(GATEWAY))


async def test_a_gateway_is_heard(site: Site) -> None:
    assert (await _get(site, site.authority.issue(GATEWAY))).status_code == 200


async def test_a_taken_port_is_said(site: Site) -> None:
    listen = Listen("127.0.0.1", site.bound.http, 0, None, None, TRUST)  # type: ignore[arg-type]
    with pytest.raises(Unreachable, match=f"127.0.0.1:{site.bound.http}"):
        await run_login(listen, site.stores, issuer="ostiary", clock=site.clock)


async def test_a_taken_port_for_the_proxies_is_said_too(site: Site) -> None:
    who = site.authority.issue(LOGIN)
    credentials = grpc.ssl_server_credentials([(who.key, who.certificate)])
    listen = Listen("127.0.0.1", 0, site.bound.authz, None, credentials, TRUST)  # type: ignore[arg-type]
    with pytest.raises(Unreachable, match=f"127.0.0.1:{site.bound.authz}"):
        await run_login(listen, site.stores, issuer="ostiary", clock=site.clock)


async def test_nothing_answers_after_the_end(stored: Site) -> None:
    threads = threading.active_count()
    async with running(stored):
        assert (await _get(stored, stored.authority.issue(GATEWAY))).status_code == 200
    for port in (stored.bound.http, stored.bound.authz):
        with socket.socket() as client:
            assert client.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED
    assert len(asyncio.all_tasks()) == 1
    ours = [one.name for one in threading.enumerate() if one.name.startswith(("store", "argon2"))]
    assert (ours, threading.active_count() <= threads + 2) == ([], True)


@pytest.mark.parametrize(
    ("uris", "told"),
    [
        ([GATEWAY], True),
        ([], False),
        ([GATEWAY, SERVICE], False),
        ([GATEWAY.replace("test.ostiary", "testxostiary")], False),
        ([GATEWAY.replace("/default/default", "/default")], False),
    ],
)
def test_exactly_one_gateway_id_counts(uris: list[str], told: bool) -> None:  # noqa: FBT001
    assert is_gateway(uris, TRUST) is told


def test_what_is_no_certificate_has_no_names() -> None:
    assert certificate_uris(None) == []
    assert certificate_uris(b"x") == []


async def _get(site: Site, who: object) -> httpx.Response:
    url = f"https://localhost:{site.bound.http}"
    async with httpx.AsyncClient(verify=site.tls(who), base_url=url) as client:  # type: ignore[arg-type]
        return await client.get("/", headers={"host": SIGN_IN})
