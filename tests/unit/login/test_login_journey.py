"""Signing in, coming back, signing out: the straight road."""

from __future__ import annotations

import httpx
from login_site import APP, APP_ORIGIN, OTHER, SIGN_IN, Browser, Site, state_of

from ostiary.wire import (
    PENDING_COOKIE,
    REFRESH_COOKIE,
    SESSION_COOKIE,
    SSO_COOKIE,
    START_COOKIE_PREFIX,
)


async def test_a_stranger_signs_in_and_lands_where_they_wanted_to_go(browser: Browser) -> None:
    form = await browser.form(f"{APP_ORIGIN}/notes/1?x=1&y=2")
    assert 'name="username"' in form.text
    assert 'name="password"' in form.text
    assert f"<strong>{APP}</strong>" in form.text
    code = await browser.submit(form)
    assert code.status_code == 303
    assert code.headers["referrer-policy"] == "no-referrer"
    assert code.headers["cache-control"] == "private, no-store"
    landed = await browser.follow(code)
    assert landed.status_code == 303
    assert landed.headers["location"] == f"{APP_ORIGIN}/notes/1?x=1&y=2"
    assert landed.headers["referrer-policy"] == "no-referrer"
    assert landed.headers["cache-control"] == "private, no-store"
    assert set(browser.jar[APP]) == {SESSION_COOKIE, REFRESH_COOKIE}
    assert set(browser.jar[SIGN_IN]) == {SSO_COOKIE}


async def test_the_session_cookie_outlives_its_token(browser: Browser) -> None:
    landed = await browser.sign_in()
    cookies = landed.headers.get_list("set-cookie")
    assert any(line.startswith(SESSION_COOKIE) and "Max-Age=43200" in line for line in cookies)
    claims = browser.claims()
    assert claims["exp"] == int(browser.site.clock.now) + 60


async def test_a_token_says_who_where_and_only_named_groups(browser: Browser) -> None:
    await browser.sign_in()
    claims = browser.claims()
    assert (claims["sub"], claims["host"], claims["aud"]) == ("editor", APP, "ostiary:session")
    assert claims["groups"] == ["editors"]
    assert (claims["gv"], claims["how"].split()[:2]) == ("gv1", ["local", "password"])
    assert claims["how"].endswith(" pwd")


async def test_a_second_host_needs_no_second_password(browser: Browser) -> None:
    await browser.sign_in()
    start = "f" * 32
    browser.jar[OTHER] = {START_COOKIE_PREFIX + start: "1"}
    to = f"https://{OTHER}:8443/"
    answer = await browser.get(SIGN_IN, f"/sign-in?start={start}&to={to}")
    assert answer.status_code == 303
    landed = await browser.follow(answer)
    assert landed.headers["location"] == to
    assert browser.claims(OTHER)["sid"] == browser.claims()["sid"]
    assert browser.claims(OTHER)["host"] == OTHER


async def test_a_wildcard_host_has_its_own_token(browser: Browser) -> None:
    await browser.sign_in()
    host, start = "a.apps.localhost", "e" * 32
    browser.jar[host] = {START_COOKIE_PREFIX + start: "1"}
    await browser.follow(
        await browser.get(SIGN_IN, f"/sign-in?start={start}&to=https://{host}:8443/")
    )
    assert browser.claims(host)["host"] == host


async def test_two_tabs_sign_in_at_once(browser: Browser) -> None:
    first = await browser.form(f"{APP_ORIGIN}/one", "a" * 32)
    second = await browser.form(f"{APP_ORIGIN}/two", "b" * 32)
    one = await browser.follow(await browser.submit(first))
    two = await browser.follow(await browser.submit(second))
    assert one.headers["location"] == f"{APP_ORIGIN}/one"
    assert two.headers["location"] == f"{APP_ORIGIN}/two"


async def test_each_sign_in_is_a_new_session_and_ends_the_one_before(
    browser: Browser, site: Site
) -> None:
    first = await browser.form(f"{APP_ORIGIN}/", "a" * 32)
    second = await browser.form(f"{APP_ORIGIN}/", "b" * 32)
    await browser.follow(await browser.submit(first))
    before = str(browser.claims()["sid"])
    await browser.follow(await browser.submit(second, "visitor"))
    assert browser.claims()["sid"] != before
    person = site.sessions.person(before)
    assert person is not None
    assert person[0].dead == "signed-in-again"


async def test_the_home_page_says_who_is_signed_in(browser: Browser) -> None:
    assert 'name="password"' in (await browser.get(SIGN_IN, "/")).text
    await browser.sign_in()
    home = await browser.get(SIGN_IN, "/")
    assert "<strong>editor</strong>" in home.text


async def test_signing_in_without_a_destination_ends_at_home(browser: Browser) -> None:
    answer = await browser.submit(await browser.get(SIGN_IN, "/sign-in"))
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


async def test_signing_out_asks_first_then_ends_the_session_everywhere(
    browser: Browser, site: Site
) -> None:
    await browser.sign_in()
    sid = str(browser.claims()["sid"])
    asked = await browser.get(APP, "/.ostiary/logout?to=/notes")
    assert asked.status_code == 200
    person = site.sessions.person(sid)
    assert person is not None
    assert person[0].dead is None
    done = await browser.post(APP, "/.ostiary/logout", {"to": "/notes"})
    assert done.status_code == 200
    assert "at most 60 seconds" in done.text
    assert 'href="/notes"' in done.text
    person = site.sessions.person(sid)
    assert person is not None
    assert person[0].dead == "signed-out"
    assert browser.jar[APP] == {}
    again = await browser.form()
    assert again.status_code == 200  # the sign-in host knows nobody any more


async def test_signing_out_at_the_sign_in_host_ends_the_applications_too(
    browser: Browser, site: Site
) -> None:
    await browser.sign_in()
    sid = str(browser.claims()["sid"])
    done = await browser.post(SIGN_IN, "/.ostiary/logout")
    assert done.status_code == 200
    person = site.sessions.person(sid)
    assert person is not None
    assert person[0].dead == "signed-out"
    assert SSO_COOKIE not in browser.jar[SIGN_IN]


async def test_an_idle_sign_in_host_asks_again(browser: Browser, site: Site) -> None:
    await browser.sign_in()
    site.clock.now += 8 * 3600 + 1
    assert (await browser.form()).status_code == 200


async def test_pages_lock_everything_down(browser: Browser) -> None:
    page = await browser.form()
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert f"form-action 'self' {APP_ORIGIN};" in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["cache-control"] == "private, no-store"
    assert "<script" not in page.text
    nonce = policy.split("'nonce-")[1].split("'")[0]
    assert f'<style nonce="{nonce}">' in page.text
    assert nonce not in (await browser.form()).text


async def test_the_form_is_sent_from_a_page_that_lets_browsers_name_their_origin(
    browser: Browser,
) -> None:
    assert (await browser.form()).headers["referrer-policy"] == "same-origin"


async def test_what_is_nowhere_is_said_so(browser: Browser) -> None:
    for host, path in ((SIGN_IN, "/nothing"), (APP, "/sign-in"), (SIGN_IN, "/.ostiary/callback")):
        answer = await browser.get(host, path)
        assert answer.status_code == 404, (host, path)
        assert "leads nowhere" in answer.text
    assert (await browser.get("elsewhere.localhost", "/sign-in")).status_code == 404


async def test_a_state_is_good_for_one_sign_in(browser: Browser) -> None:
    form = await browser.form()
    await browser.submit(form)
    again = await browser.submit(form)
    assert again.status_code == 400
    assert PENDING_COOKIE not in browser.jar[SIGN_IN]


async def test_a_form_left_open_too_long_starts_again(browser: Browser, site: Site) -> None:
    form = await browser.form()
    site.clock.now += 601
    assert (await browser.submit(form)).status_code == 400


async def test_a_wrong_password_shows_the_form_again(browser: Browser) -> None:
    form = await browser.form()
    wrong = await browser.submit(form, password="wrong")  # noqa: S106
    assert wrong.status_code == 401
    assert 'role="alert"' in wrong.text
    assert 'value="editor"' in wrong.text
    assert state_of(wrong) == state_of(form)
    right: httpx.Response = await browser.submit(wrong)
    assert right.status_code == 303
