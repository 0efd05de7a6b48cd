"""Refusals in words: as a page, as JSON, as a gRPC status."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from login_site import (
    APP,
    APP_ORIGIN,
    NAVIGATION,
    PROGRAM,
    START,
    Browser,
    Site,
    header_of,
)

from ostiary.plan.policy import PolicyRecord
from ostiary.policy.rules import Effect, Level, Rule
from ostiary.protos.messages import auth, core

Check = Callable[..., Awaitable[auth.CheckResponse]]
OVERWRITE = core.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
APPEND = core.HeaderValueOption.APPEND_IF_EXISTS_OR_ADD


def status(answer: auth.CheckResponse) -> int:
    return answer.denied_response.status.code


async def test_a_visitor_reads_which_rule_decided_and_what_can_be_done(
    browser: Browser, check: Check
) -> None:
    await browser.sign_in("visitor")
    answer = await check(browser, expired=False, **NAVIGATION)
    assert status(answer) == 403
    body = answer.denied_response.body
    assert header_of(answer, "content-type") == "text/html; charset=utf-8"
    assert "default-src 'none'" in str(header_of(answer, "content-security-policy"))
    assert "<strong>visitor</strong>" in body
    assert "no rule of route notes allows this" in body
    assert "notes/readers" in body
    assert "membership of the group editors" in body
    assert "Ask the owner" in body
    assert START in body
    assert 'href="/.ostiary/logout?to=/page%3Fx%3D1"' in body


async def test_a_program_reads_the_refusal_as_json(browser: Browser, check: Check) -> None:
    await browser.sign_in("visitor")
    answer = await check(browser, expired=False, **PROGRAM)
    assert header_of(answer, "content-type") == "application/json"
    body = json.loads(answer.denied_response.body)
    assert body["error"] == "access-denied"
    assert body["missing"][0].startswith("notes/readers: ")
    assert body["decision"] == START
    assert body["what_can_be_done"]


async def test_a_refused_visitor_whose_token_expired_keeps_a_fresh_one(
    browser: Browser, site: Site, check: Check
) -> None:
    await browser.sign_in("visitor")
    site.clock.now += 61
    assert status(await check(browser, **NAVIGATION)) == 403
    assert browser.claims()["iat"] == int(site.clock.now)
    site.clock.now += 61
    assert status(await check(browser, **NAVIGATION)) == 403  # the session is alive


async def test_a_grpc_caller_gets_a_status_and_a_sentence_never_a_redirect(
    browser: Browser, site: Site, check: Check
) -> None:
    await browser.sign_in("visitor")
    grpc_call = {"content_type": "application/grpc+proto", "method": "POST"}
    answer = await check(browser, expired=False, **grpc_call)
    assert status(answer) == 403
    assert "<" not in answer.denied_response.body
    site.sessions.kill(str(browser.claims()["sid"]), "test", site.clock.now)
    answer = await check(browser, **grpc_call, sec_fetch_mode="navigate")
    assert status(answer) == 503  # minted this very second, and yet denied
    site.clock.now += 61
    assert status(await check(browser, **grpc_call)) == 401


async def test_a_deny_that_matched_is_named(browser: Browser, site: Site, check: Check) -> None:
    rules = (Rule("everybody", Effect.ALLOW), Rule("no visitors", Effect.DENY, users=("visitor",)))
    record = PolicyRecord("r", (APP,), (Level("gateway main", rules),), login=True, place="f:1:1")
    site.stores.policies.save_policy(record.hash, record.dump(), 0)  # type: ignore[attr-defined]
    site.policy = record.hash
    await browser.sign_in("visitor")
    body = (await check(browser, expired=False, **NAVIGATION)).denied_response.body
    assert "no visitors of gateway main" in body
    assert "Only the owner" in body


async def test_a_path_and_a_name_cannot_write_html(
    browser: Browser, site: Site, check: Check
) -> None:
    await browser.sign_in("visitor")
    answer = await check(
        browser, expired=False, path="/<script>alert(1)</script>\r\nx: y", **NAVIGATION
    )
    assert "<script>" not in answer.denied_response.body
    assert "&lt;script&gt;" in answer.denied_response.body
    site.clock.now += 61
    site.sessions.kill(str(browser.claims()["sid"]), "test", site.clock.now)
    answer = await check(browser, path="/a\r\nset-cookie: x=y", **NAVIGATION)
    assert str(header_of(answer, "location")).endswith(f"to={APP_ORIGIN}/")
