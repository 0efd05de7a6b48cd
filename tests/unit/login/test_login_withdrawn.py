"""What a person reads whose session, or whose half-finished sign-in, does not count any more."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from login_site import APP, OTHER, SIGN_IN, Browser, Site

from ostiary.identity.guard_keys import GUARD_KEYS, renewed
from ostiary.protos.messages import auth
from ostiary.store.verdicts import Verdicts
from ostiary.trust.verdict import Effect, Kind, Verdict
from ostiary.wire import KEYS_PATH, SSO_COOKIE, TRUST_KEYS_PATH


def hold(site: Site, kind: Kind, key: str, effect: Effect = Effect.DENY) -> None:
    now = site.clock.now
    one = Verdict(uuid4(), kind, key, effect, "left-company", "tests", now)
    Verdicts(site.sessions._database).put([one], "tests", "", now)


def notice(text: str) -> str:
    found = re.search(r'id="notice">([^<]*)<', text)
    return found[1] if found else ""


async def test_a_stranger_is_told_nothing(browser: Browser) -> None:
    assert notice((await browser.form()).text) == ""


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("ended-by-administrator", "An administrator ended your session."),
        ("handle-reused", "an old copy of it was used"),
        ("something-new", "Your session was ended."),
        ("signed-out", ""),
    ],
)
async def test_whose_session_was_ended_reads_why(
    browser: Browser, site: Site, reason: str, words: str
) -> None:
    await browser.sign_in()
    site.sessions.kill(str(browser.claims()["sid"]), reason, site.clock.now)
    page = await browser.form()
    assert page.status_code == 200
    assert words in notice(page.text)
    assert bool(notice(page.text)) is bool(words)


async def test_who_is_asked_to_step_up_reads_so_and_goes_on(browser: Browser, site: Site) -> None:
    await browser.sign_in()
    site.clock.now += 5
    hold(site, Kind.USER, "editor", Effect.STEP_UP)
    page = await browser.form()
    assert "sign in afresh" in notice(page.text)
    site.clock.now += 5
    landed = await browser.follow(await browser.submit(page))
    assert landed.status_code == 303


async def test_nobody_else_reads_what_became_of_a_session(browser: Browser, site: Site) -> None:
    await browser.sign_in()
    site.sessions.kill(str(browser.claims()["sid"]), "ended-by-administrator", site.clock.now)
    handle = browser.jar[SIGN_IN][SSO_COOKIE]
    browser.jar[SIGN_IN][SSO_COOKIE] = handle[:32] + "A" * 32
    assert notice((await browser.form()).text) == ""


@pytest.mark.parametrize(
    ("kind", "key", "effect", "status", "words"),
    [
        (Kind.USER, "editor", Effect.STEP_UP, 400, "asked for a fresh sign-in since"),
        (Kind.USER, "editor", Effect.DENY, 403, "Access was withdrawn since"),
        (Kind.ADDRESS, "203.0.113.0/24", Effect.DENY, 403, "Access was withdrawn since"),
    ],
)
async def test_a_code_that_a_verdict_met_says_so(  # noqa: PLR0917  a table
    browser: Browser,
    site: Site,
    kind: Kind,
    key: str,
    effect: Effect,
    status: int,
    words: str,
) -> None:
    code = await browser.submit(await browser.form())
    site.clock.now += 2
    hold(site, kind, key, effect)
    answer = await browser.follow(code)
    assert answer.status_code == status
    assert words in answer.text
    assert "used already" not in answer.text


async def test_a_code_of_a_session_that_was_ended_says_so(browser: Browser, site: Site) -> None:
    code = await browser.submit(await browser.form())
    (session,) = site.sessions.alive("editor")
    site.sessions.kill(session.sid, "ended-by-administrator", site.clock.now)
    assert "This session was ended since" in (await browser.follow(code)).text


async def test_nobody_signs_in_or_renews_from_an_address_that_is_denied(
    browser: Browser, site: Site, check: Callable[..., Awaitable[auth.CheckResponse]]
) -> None:
    await browser.sign_in()
    site.clock.now += 61
    assert (await check(browser)).HasField("ok_response")
    hold(site, Kind.ADDRESS, "203.0.113.9")
    site.clock.now += 61
    assert (await check(browser)).HasField("denied_response")
    del browser.jar[SIGN_IN]
    refused = await browser.submit(await browser.form("https://wiki.localhost:8443/", "f" * 32))
    assert refused.status_code == 403
    assert "from this address" in refused.text


async def test_applications_find_the_keys_of_both_headers(browser: Browser, site: Site) -> None:
    point = ec.generate_private_key(ec.SECP256R1()).public_key()
    raw = point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    for host in (APP, OTHER, SIGN_IN):
        assert (await browser.get(host, TRUST_KEYS_PATH)).json() == {"keys": []}
    site.site.put(GUARD_KEYS, renewed(None, [raw, b"\x04" * 65], site.clock.now))
    answer = await browser.get(APP, TRUST_KEYS_PATH)
    assert answer.headers["content-type"] == "application/jwk-set+json"
    assert answer.headers["cache-control"] == "public, max-age=60"
    (key,) = answer.json()["keys"]
    assert (key["crv"], key["alg"], len(key["kid"])) == ("P-256", "ES256", 11)
    ours = (await browser.get(APP, KEYS_PATH)).json()["keys"]
    assert {one["kid"] for one in ours} == {one.kid for one in site.keys.published()}
    assert not any("d" in one for one in ours), "no private half"
    assert key["kid"] not in {one["kid"] for one in ours}


def test_a_guards_key_stays_for_a_day_after_it_was_seen() -> None:
    point = ec.generate_private_key(ec.SECP256R1()).public_key()
    raw = point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    first = renewed(None, [raw], 1_800_000_000.0)
    assert renewed(first, [raw], 1_800_000_900.0) == first
    assert renewed(first, [], 1_800_000_000.0 + 80_000) == first
    assert renewed(first, [], 1_800_000_000.0 + 90_000) == "[]"
