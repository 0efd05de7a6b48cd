"""What somebody hostile tries, and what it gets them: nothing."""

from __future__ import annotations

import statistics
import time

from login_site import (
    APP,
    APP_ORIGIN,
    OTHER,
    SIGN_IN,
    SIGN_IN_ORIGIN,
    START,
    Browser,
    Site,
    directory,
    state_of,
)

from ostiary.wire import (
    PENDING_COOKIE,
    REFRESH_COOKIE,
    SESSION_COOKIE,
    SSO_COOKIE,
    START_COOKIE_PREFIX,
)

FORM = {"content-type": "application/x-www-form-urlencoded"}


ELSEWHERE = [
    "https://evil.example/",
    f"https://{APP}/",  # the right host at a port that is not ours
    f"https://{APP}:9443/",
    f"http://{APP}:8443/",
    f"//{APP}:8443/",
    "/path",
    "javascript:alert(1)",
    f"https://{APP}:8443@evil.example/",
    f"https://evil.example\\@{APP}:8443/",
    f"https://{APP}.evil.example:8443/",
    f"https://evil{APP}:8443/",
    f"https://{APP}:8443/a\\b",
    f"https://{APP}:8443/%0d%0aset-cookie:x=y\x00",
    f"https://{APP}:8443/\u2028",
    f"https://{APP}:8443/#x",
    f"https://{SIGN_IN}:8443/",
    f"https://{APP}:08443x/",
    "",
]


async def test_nobody_is_sent_anywhere_but_to_an_application(browser: Browser) -> None:
    await browser.sign_in()
    for to in ELSEWHERE:
        answer = await browser.form(to.replace("\x00", "%00").replace("#", "%23"))
        if answer.status_code == 303:  # %00 and %23 are plain path characters to a browser
            assert answer.headers["location"].startswith(f"{APP_ORIGIN}/.ostiary/callback?code=")
        else:
            assert answer.status_code == 400, to
            assert "evil" not in answer.text


async def test_a_path_that_looks_like_a_host_stays_on_the_host(browser: Browser) -> None:
    landed = await browser.sign_in(to=f"{APP_ORIGIN}//evil.example/")
    assert landed.headers["location"] == f"{APP_ORIGIN}//evil.example/"


async def test_our_own_paths_are_nowhere_to_return_to(browser: Browser) -> None:
    landed = await browser.sign_in(to=f"{APP_ORIGIN}/.ostiary/logout")
    assert landed.headers["location"] == f"{APP_ORIGIN}/"


async def test_the_sign_out_link_leads_nowhere_else(browser: Browser) -> None:
    for to in ("//evil.example", "https://evil.example", "/\\evil.example", "javascript:x"):
        page = await browser.get(APP, f"/.ostiary/logout?to={to}")
        assert "evil" not in page.text
        assert "javascript" not in page.text


async def test_a_code_works_once(browser: Browser, site: Site) -> None:
    answer = await browser.submit(await browser.form())
    start = browser.jar[APP].copy()
    assert (await browser.follow(answer)).status_code == 303
    browser.jar[APP] = start
    again = await browser.follow(answer)
    assert again.status_code == 400
    assert SESSION_COOKIE not in browser.jar[APP]
    assert site.clock.now  # the clock stood still: it is the use that counts


async def test_a_code_lives_thirty_seconds(browser: Browser, site: Site) -> None:
    answer = await browser.submit(await browser.form())
    site.clock.now += 31
    assert (await browser.follow(answer)).status_code == 400


async def test_a_code_is_for_one_host_and_is_burnt_elsewhere(browser: Browser) -> None:
    answer = await browser.submit(await browser.form())
    path = answer.headers["location"].removeprefix(APP_ORIGIN)
    browser.jar[OTHER] = {START_COOKIE_PREFIX + START: "1"}
    assert (await browser.get(OTHER, path)).status_code == 400
    assert SESSION_COOKIE not in browser.jar[OTHER]
    assert (await browser.follow(answer)).status_code == 400


async def test_a_code_is_for_one_start(browser: Browser) -> None:
    answer = await browser.submit(await browser.form())
    path = answer.headers["location"].removeprefix(APP_ORIGIN).replace(START, "c" * 32)
    browser.jar[APP][START_COOKIE_PREFIX + "c" * 32] = "1"
    assert (await browser.get(APP, path)).status_code == 400


async def test_a_code_pushed_on_another_browser_signs_nobody_in(
    browser: Browser, site: Site
) -> None:
    answer = await browser.submit(await browser.form())
    victim = site.browser()
    async with victim.client:
        assert (await victim.follow(answer)).status_code == 400
    assert SESSION_COOKIE not in victim.jar[APP]


async def test_a_code_of_a_session_that_has_ended_is_worth_nothing(
    browser: Browser, site: Site
) -> None:
    answer = await browser.submit(await browser.form())
    site.accounts.disable("editor", site.clock.now)
    assert (await browser.follow(answer)).status_code == 400


async def test_a_code_for_a_host_that_has_gone_leads_nowhere(browser: Browser, site: Site) -> None:
    answer = await browser.submit(await browser.form())
    site.site.put_directory(type(directory())(sign_in=directory().sign_in))
    assert (await browser.follow(answer)).status_code == 404


async def test_a_forged_pending_cookie_is_no_pending_sign_in(browser: Browser) -> None:
    form = await browser.form()
    for cookie in ["x", "AAAA" * 40, "!", ""]:
        browser.jar[SIGN_IN][PENDING_COOKIE] = cookie
        assert (await browser.submit(form)).status_code == 400


async def test_a_pending_cookie_of_another_sign_in_is_no_help(browser: Browser, site: Site) -> None:
    form = await browser.form()
    other = site.browser()
    async with other.client:
        await other.form()
    browser.jar[SIGN_IN][PENDING_COOKIE] = other.jar[SIGN_IN][PENDING_COOKIE]
    assert (await browser.submit(form)).status_code == 400


async def test_another_site_cannot_send_the_form(browser: Browser) -> None:
    form = await browser.form()
    for headers in [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": APP_ORIGIN},
        {"origin": SIGN_IN_ORIGIN, "sec_fetch_site": "cross-site"},
        {"origin": SIGN_IN_ORIGIN, "sec_fetch_site": "same-site"},
    ]:
        answer = await browser.submit(form, **headers)
        assert answer.status_code == 403, headers
        assert SSO_COOKIE not in browser.jar[SIGN_IN]


async def test_another_site_cannot_sign_somebody_out(browser: Browser, site: Site) -> None:
    await browser.sign_in()
    for headers in [
        {"origin": "https://evil.example"},
        {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {},  # cookies alone prove nothing
    ]:
        answer = await browser.send("POST", APP, "/.ostiary/logout", headers=headers)
        assert answer.status_code == 403, headers
    person = site.sessions.person(str(browser.claims()["sid"]))
    assert person is not None
    assert person[0].dead is None


async def test_a_cookie_of_ours_that_comes_twice_is_refused(browser: Browser) -> None:
    await browser.sign_in()
    cookie = f"{SSO_COOKIE}=x; {browser.cookie_header(SIGN_IN)}"
    answer = await browser.get(SIGN_IN, "/", cookie=cookie)
    assert answer.status_code == 400


async def test_an_unknown_user_and_a_wrong_password_look_alike(browser: Browser) -> None:
    form = await browser.form()
    known = await browser.submit(form, "editor", "wrong")
    unknown = await browser.submit(form, "nobody", "wrong")
    assert known.status_code == unknown.status_code == 401

    def bare(text: str, name: str) -> str:
        return text.split("<body>")[1].replace(name, "NAME")

    assert bare(known.text, "editor") == bare(unknown.text, "nobody")


async def test_an_unknown_user_costs_the_same_work(browser: Browser, site: Site) -> None:
    form = await browser.form()
    times: dict[str, list[float]] = {"editor": [], "nobody": []}
    for turn in range(8):
        for name, seen in times.items():
            begun = time.perf_counter()
            await browser.submit(form, name, "wrong")
            seen.append(time.perf_counter() - begun)
        site.clock.now += 4000 * (turn % 2)  # so that no delay is due yet
        form = await browser.form()
    slow, fast = statistics.median(times["editor"]), statistics.median(times["nobody"])
    assert 1 / 3 < slow / fast < 3


async def test_guessing_gets_slower_for_known_and_unknown_names_alike(
    browser: Browser, site: Site
) -> None:
    for name in ("editor", "nobody"):
        form = await browser.form()
        answers = [(await browser.submit(form, name, "wrong")).status_code for _ in range(6)]
        assert answers == [401] * 5 + [429]
    held = await browser.submit(form, "editor")
    assert held.status_code == 429  # even the right password waits
    assert int(held.headers["retry-after"]) >= 1
    site.clock.now += 61
    assert (await browser.submit(await browser.form())).status_code == 303


async def test_a_stranger_cannot_keep_somebody_out(browser: Browser, site: Site) -> None:
    form = await browser.form()
    for _ in range(8):
        await browser.submit(form, password="wrong", x_forwarded_for="198.51.100.1")  # noqa: S106
    assert (await browser.submit(form)).status_code == 303
    assert site.accounts.find("editor") is not None


async def test_what_a_client_says_about_its_address_is_not_believed(browser: Browser) -> None:
    form = await browser.form()
    codes = [
        (
            await browser.submit(
                form,
                password="wrong",  # noqa: S106
                x_forwarded_for=f"10.0.0.{n}, 203.0.113.9",
            )
        ).status_code
        for n in range(6)
    ]
    assert codes[-1] == 429


async def test_a_user_name_cannot_write_html_or_headers(browser: Browser) -> None:
    form = await browser.form()
    for name in [
        "<script>alert(1)</script>",
        '"><img src=x>',
        "a\r\nset-cookie: x=y",
        "\x00",
        "é" * 300,
    ]:
        answer = await browser.submit(form, name, "wrong")
        assert answer.status_code == 401
        assert "<script" not in answer.text
        assert "<img" not in answer.text
        assert "x" not in answer.cookies


async def test_a_form_that_is_none_is_refused(browser: Browser) -> None:
    for body, headers in [
        (b"username=%ff%fe&password=x", FORM),
        (b"\xff\xfe", FORM),
        (b"a=" + b"x" * 9000, FORM),
        (b"&".join(b"a=1" for _ in range(40)), FORM),
        (b'{"username": "editor"}', {"content-type": "application/json"}),
        (b"username=editor", {}),
    ]:
        answer = await browser.send("POST", SIGN_IN, "/sign-in", content=body, headers=headers)
        assert answer.status_code == 400, body


async def test_a_huge_password_is_wrong_and_costs_no_more(browser: Browser) -> None:
    answer = await browser.submit(await browser.form(), "editor", "x" * 4000)
    assert answer.status_code == 401


async def test_the_first_field_of_a_name_counts(browser: Browser) -> None:
    form = await browser.form()
    body = f"state={state_of(form)}&username=editor&password=right&username=visitor".encode()
    answer = await browser.send("POST", SIGN_IN, "/sign-in", content=body, headers=FORM)
    await browser.follow(answer)
    assert browser.claims()["sub"] == "editor"


async def test_a_huge_return_address_loses_its_query_not_the_sign_in(browser: Browser) -> None:
    landed = await browser.sign_in(to=f"{APP_ORIGIN}/deep?{'x' * 4000}")
    assert landed.headers["location"] == f"{APP_ORIGIN}/deep"


async def test_many_tabs_never_burst_the_cookie(browser: Browser) -> None:
    for n in range(12):
        form = await browser.form(f"{APP_ORIGIN}/{n}?{'y' * 1400}", f"{n:032x}")
        assert len(browser.jar[SIGN_IN][PENDING_COOKIE]) + len(PENDING_COOKIE) < 4096
    landed = await browser.follow(await browser.submit(form))
    assert landed.headers["location"].startswith(f"{APP_ORIGIN}/11?")


async def test_a_broken_sign_in_link_is_said_so(browser: Browser) -> None:
    for query in [
        "start=x&to=y",
        "to=y&start=x",
        "start=&to=",
        "x=1",
        f"start={START}",
        "start=a;b&to=",
    ]:
        assert (await browser.get(SIGN_IN, f"/sign-in?{query}")).status_code == 400, query


async def test_a_proxy_that_does_not_take_our_tokens_is_no_loop(
    browser: Browser, site: Site
) -> None:
    await browser.sign_in()
    for _ in range(6):
        site.clock.now += 1
        landed = await browser.follow(await browser.form())
        if landed.status_code == 503:
            break
    assert landed.status_code == 503
    assert "clock" in landed.text


async def test_a_stolen_sign_in_handle_of_another_host_is_nothing(browser: Browser) -> None:
    await browser.sign_in()
    browser.jar[SIGN_IN][SSO_COOKIE] = browser.jar[APP][REFRESH_COOKIE]
    assert 'name="password"' in (await browser.get(SIGN_IN, "/")).text
