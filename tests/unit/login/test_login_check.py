"""The slow path, asked over gRPC as a gateway asks it."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable

import grpc.aio
import pytest
from joserfc import jwt
from login_site import (
    APP,
    APP_ORIGIN,
    NAVIGATION,
    OTHER,
    PROGRAM,
    SERVICE,
    SIGN_IN_ORIGIN,
    START,
    Browser,
    Site,
    directory,
    header_of,
)

from ostiary.plan.policy import PolicyRecord
from ostiary.policy.rules import Effect, Level, Rule
from ostiary.protos.messages import auth, core
from ostiary.wire import (
    HANDOVER_HEADER,
    REFRESH_COOKIE,
    SESSION_COOKIE,
    START_COOKIE_PREFIX,
)

Check = Callable[..., Awaitable[auth.CheckResponse]]
OVERWRITE = core.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
APPEND = core.HeaderValueOption.APPEND_IF_EXISTS_OR_ADD


def status(answer: auth.CheckResponse) -> int:
    return answer.denied_response.status.code


async def test_an_expired_token_and_its_handle_are_refreshed_silently(
    browser: Browser, site: Site, check: Check
) -> None:
    await browser.sign_in()
    before, handle = browser.claims(), browser.jar[APP][REFRESH_COOKIE]
    site.clock.now += 61
    answer = await check(browser)
    assert answer.status.code == 0
    assert answer.HasField("ok_response")
    handover = answer.ok_response.headers[0]
    assert (handover.header.key, handover.append_action) == (HANDOVER_HEADER, OVERWRITE)
    assert not answer.ok_response.headers_to_remove
    added = answer.ok_response.response_headers_to_add
    assert [one.append_action for one in added if one.header.key == "set-cookie"] == [APPEND] * 2
    assert ("cache-control", "private, no-store") in [
        (one.header.key, one.header.value) for one in added
    ]
    assert browser.jar[APP][REFRESH_COOKIE] != handle
    after = browser.claims()
    assert (after["sid"], after["iat"]) == (before["sid"], int(site.clock.now))
    assert after["assertion"] != before["assertion"]


async def test_the_handover_has_its_own_audience_type_and_short_life(
    browser: Browser, site: Site, check: Check
) -> None:
    await browser.sign_in()
    site.clock.now += 61
    token = header_of(await check(browser), HANDOVER_HEADER)
    assert token is not None
    decoded = jwt.decode(token, site.keys.current().key)
    assert decoded.header["typ"] == "ostiary-handover+jwt"
    assert decoded.claims["aud"] == "ostiary:handover"
    assert decoded.claims["exp"] - decoded.claims["iat"] <= 30
    assert decoded.claims["host"] == APP
    inner = jwt.decode(decoded.claims["assertion"], site.keys.current().key)
    assert inner.header["typ"] == "ostiary-assertion+jwt"
    assert inner.claims["aud"] == [SERVICE]
    assert inner.claims["exp"] - inner.claims["iat"] == 300
    assert inner.claims["groups"] == ["editors"]


async def test_ten_parallel_refreshes_all_pass_and_agree(
    browser: Browser, site: Site, check: Check
) -> None:
    await browser.sign_in()
    site.clock.now += 61
    copies = [Browser(site, browser.client, {APP: dict(browser.jar[APP])}) for _ in range(10)]
    answers = await asyncio.gather(*(check(copy) for copy in copies))
    assert all(answer.HasField("ok_response") for answer in answers)
    handles = {copy.jar[APP][REFRESH_COOKIE] for copy in copies}
    assert len(handles) == 1
    site.clock.now += 61
    assert (await check(copies[3])).HasField("ok_response")


async def test_a_handle_used_after_its_overlap_ends_the_session(
    browser: Browser, site: Site, check: Check
) -> None:
    await browser.sign_in()
    thief = Browser(site, browser.client, {APP: dict(browser.jar[APP])})
    site.clock.now += 61
    await check(browser)
    site.clock.now += 31
    stolen = await check(thief, **PROGRAM)
    assert status(stolen) == 401
    person = site.sessions.person(str(browser.claims()["sid"]))
    assert person is not None
    assert person[0].dead == "handle-reused"
    site.clock.now += 61
    assert status(await check(browser, **PROGRAM)) == 401


async def test_an_expired_token_alone_refreshes_nothing(
    browser: Browser, site: Site, check: Check
) -> None:
    await browser.sign_in()
    site.clock.now += 61
    del browser.jar[APP][REFRESH_COOKIE]
    assert status(await check(browser, **PROGRAM)) == 401


async def test_a_handle_alone_refreshes_nothing(browser: Browser, site: Site, check: Check) -> None:
    await browser.sign_in()
    site.clock.now += 61
    del browser.jar[APP][SESSION_COOKIE]
    assert status(await check(browser, **PROGRAM)) == 401


async def test_a_handle_of_another_session_refreshes_nothing(
    browser: Browser, site: Site, check: Check
) -> None:
    await browser.sign_in()
    other = site.browser()
    async with other.client:
        await other.sign_in("visitor")
    browser.jar[APP][REFRESH_COOKIE] = other.jar[APP][REFRESH_COOKIE]
    site.clock.now += 61
    assert status(await check(browser, **PROGRAM)) == 401


async def test_a_dead_session_sends_a_person_to_sign_in_and_clears_the_cookies(
    browser: Browser, site: Site, check: Check
) -> None:
    await browser.sign_in()
    site.sessions.kill(str(browser.claims()["sid"]), "test", site.clock.now)
    site.clock.now += 61
    answer = await check(browser, **NAVIGATION)
    assert status(answer) == 302
    assert header_of(answer, "location") == (
        f"{SIGN_IN_ORIGIN}/sign-in?start={START}&to={APP_ORIGIN}/page?x=1"
    )
    assert browser.jar[APP] == {START_COOKIE_PREFIX + START: "1"}


async def test_a_disabled_account_is_out_at_the_next_refresh(
    browser: Browser, site: Site, check: Check
) -> None:
    await browser.sign_in()
    sid = str(browser.claims()["sid"])
    site.accounts.disable("editor", site.clock.now)
    site.clock.now += 61
    assert status(await check(browser, **PROGRAM)) == 401
    person = site.sessions.person(sid)
    assert person is not None
    assert person[0].dead == "account-disabled"


async def test_a_disabled_account_cannot_come_back_with_its_password(
    browser: Browser, site: Site
) -> None:
    site.accounts.disable("editor", site.clock.now)
    wrong = await browser.submit(await browser.form())
    assert wrong.status_code == 401
    assert "do not fit together" in wrong.text


async def test_no_session_outlives_its_absolute_lifetime(
    browser: Browser, site: Site, check: Check
) -> None:
    await browser.sign_in()
    for _ in range(6):
        site.clock.now += 2 * 3600 - 1
        answer = await check(browser, **PROGRAM)
        assert answer.HasField("ok_response")
    site.clock.now += 7
    assert status(await check(browser, **PROGRAM)) == 401


async def test_an_idle_handle_is_dead(browser: Browser, site: Site, check: Check) -> None:
    await browser.sign_in()
    site.clock.now += 8 * 3600 + 1
    assert status(await check(browser, **PROGRAM)) == 401


async def test_a_new_group_name_in_a_policy_refreshes_once(
    browser: Browser, site: Site, check: Check
) -> None:
    await browser.sign_in()
    site.site.put_directory(directory("gv2", frozenset({"editors", "unnamed"})))
    answer = await check(browser, expired=False)
    assert answer.HasField("ok_response")
    assert browser.claims()["gv"] == "gv2"
    assert browser.claims()["groups"] == ["editors", "unnamed"]


async def test_a_group_given_a_moment_ago_counts_at_once(
    browser: Browser, site: Site, check: Check
) -> None:
    await browser.sign_in("visitor")
    site.accounts.set_groups("visitor", ["editors"])
    assert (await check(browser, expired=False)).HasField("ok_response")


async def test_a_valid_token_of_a_dead_session_gets_no_refusal_page(
    browser: Browser, site: Site, check: Check
) -> None:
    await browser.sign_in("visitor")
    site.sessions.kill(str(browser.claims()["sid"]), "test", site.clock.now)
    assert status(await check(browser, expired=False, **NAVIGATION)) == 302


async def test_a_token_just_minted_that_comes_back_is_503_and_no_loop(
    browser: Browser, site: Site, check: Check
) -> None:
    await browser.sign_in()
    site.clock.now += 61
    assert (await check(browser, **NAVIGATION)).HasField("ok_response")
    site.clock.now += 5
    assert status(await check(browser, **NAVIGATION)) == 503
    assert status(await check(browser, expired=False, **NAVIGATION)) == 503
    site.clock.now += 10
    assert (await check(browser, **NAVIGATION)).HasField("ok_response")


async def test_an_unknown_policy_is_denied_in_words_until_it_is_known(
    browser: Browser, site: Site, check: Check
) -> None:
    await browser.sign_in()
    site.clock.now += 61
    open_to_all = PolicyRecord(
        "default/default/x", (APP,), (Level("route x", (Rule("x", Effect.ALLOW),)),), True, "f:1:1"
    )
    site.policy = open_to_all.hash
    answer = await check(browser, **PROGRAM)
    assert status(answer) == 503
    assert json.loads(answer.denied_response.body)["error"] == "policy-unknown"
    site.stores.policies.save_policy(open_to_all.hash, open_to_all.dump(), 0)  # type: ignore[attr-defined]
    assert (await check(browser, **PROGRAM)).HasField("ok_response")


async def test_an_unknown_host_is_denied_in_words(browser: Browser, check: Check) -> None:
    assert status(await check(browser, host="elsewhere.localhost", **PROGRAM)) == 503


async def test_a_token_for_another_host_is_no_token(
    browser: Browser, site: Site, check: Check
) -> None:
    await browser.sign_in()
    browser.jar[OTHER] = dict(browser.jar[APP])
    site.clock.now += 61
    assert status(await check(browser, host=OTHER, **PROGRAM)) == 401
    person = site.sessions.person(str(browser.claims()["sid"]))
    assert person is not None
    assert person[0].dead is None


async def test_the_same_cookie_twice_is_refused(browser: Browser, check: Check) -> None:
    await browser.sign_in()
    twice = f"{browser.cookie_header(APP)}; {REFRESH_COOKIE}=x"
    answer = await check(browser, cookie=twice, **PROGRAM)
    assert status(answer) == 400


async def test_the_decision_id_is_only_a_start_if_it_can_be_one(
    browser: Browser, site: Site, check: Check
) -> None:
    await browser.sign_in()
    site.clock.now += 61
    site.sessions.kill(str(browser.claims()["sid"]), "test", site.clock.now)
    answer = await check(browser, x_request_id="a;b=c" * 8, **NAVIGATION)
    assert status(answer) == 401


async def test_a_retired_key_still_proves_and_the_new_one_signs(
    browser: Browser, site: Site, check: Check
) -> None:
    await browser.sign_in()
    site.keys.promote(site.clock.now)
    site.clock.now += 61
    token = header_of(await check(browser), HANDOVER_HEADER)
    assert token is not None
    jwt.decode(token, site.keys.current().key)


async def test_another_peer_than_a_gateway_is_turned_away(browser: Browser, site: Site) -> None:
    async with site.channel(SERVICE) as channel:
        call = channel.unary_unary(
            "/envoy.service.auth.v3.Authorization/Check",
            request_serializer=auth.CheckRequest.SerializeToString,
            response_deserializer=auth.CheckResponse.FromString,
        )
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(browser.ask())
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_a_refresh_takes_a_few_milliseconds(
    browser: Browser, site: Site, check: Check
) -> None:
    await browser.sign_in()
    async with site.channel() as channel:
        call = channel.unary_unary(
            "/envoy.service.auth.v3.Authorization/Check",
            request_serializer=auth.CheckRequest.SerializeToString,
            response_deserializer=auth.CheckResponse.FromString,
        )
        times = []
        for _ in range(30):
            site.clock.now += 61
            request = browser.ask()
            begun = time.perf_counter()
            answer = await call(request)
            times.append(time.perf_counter() - begun)
            assert answer.HasField("ok_response")
            browser.keep(
                APP,
                [
                    one.header.value
                    for one in answer.ok_response.response_headers_to_add
                    if one.header.key == "set-cookie"
                ],
            )
    assert statistics.median(times) < 0.05  # a few ms when the machine is quiet
