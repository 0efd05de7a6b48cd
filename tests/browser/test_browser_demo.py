"""The demo as a person sees it: two accounts, one let in, one told why not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator

import pytest
from demo_process import Demo, running_demo
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from ostiary.proxy.guard import installed

CHROMIUM = next(
    (p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None
)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="NO CHROMIUM: the browser tests were skipped"),
]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with running_demo(tmp_path_factory.mktemp("browser") / "state") as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(params=["with JavaScript", "without JavaScript"])
def person(browser: Browser, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    scripts = request.param == "with JavaScript"
    context = browser.new_context(ignore_https_errors=True, java_script_enabled=scripts)
    yield context
    context.close()


def sign_in(page: Page, demo: Demo, name: str, password: str | None = None) -> None:
    page.goto(demo.url + "/")
    assert "login.localhost" in page.url
    page.fill("[name=username]", name)
    page.fill("[name=password]", password or demo.password(name))
    page.press("[name=password]", "Enter")
    page.wait_for_load_state()


def test_the_editor_reads_writes_and_signs_out(person: BrowserContext, demo: Demo) -> None:
    page = person.new_page()
    sign_in(page, demo, "editor")
    assert page.url == demo.url + "/"
    assert page.inner_text("#who") == "editor"
    page.fill("[name=text]", "bread & <butter>")
    page.click("text=Write")
    assert "bread & <butter> — editor" in page.inner_text("#notes")
    page.click("text=Sign out")
    page.wait_for_load_state()
    assert "signed out" in page.inner_text("body").lower()
    page.goto(demo.url + "/")
    assert "login.localhost" in page.url


def test_a_note_appears_in_another_window(browser: Browser, demo: Demo) -> None:
    context = browser.new_context(ignore_https_errors=True)
    page = context.new_page()
    sign_in(page, demo, "editor")
    other = context.new_page()
    other.goto(demo.url + "/")
    page.fill("[name=text]", "seen live")
    page.click("text=Write")
    other.wait_for_selector("#notes >> text=seen live", timeout=5000)
    context.close()


def test_the_visitor_reads_why_and_explain_agrees(person: BrowserContext, demo: Demo) -> None:
    page = person.new_page()
    sign_in(page, demo, "visitor")
    text = page.inner_text("body")
    assert "editors" in text
    decision = page.inner_text("[data-decision], #decision, .decision").split()[-1]
    assert decision in text
    explained = json.loads(demo.cli("explain", decision, "--json").stdout)
    assert "editors" in json.dumps(explained)
    plain = demo.cli("explain", decision).stdout
    assert "editors" in plain
    assert "visitor" in plain


def test_a_wrong_password_says_no_more_than_that(person: BrowserContext, demo: Demo) -> None:
    page = person.new_page()
    sign_in(page, demo, "editor", "not the password")
    known = page.inner_text("main")
    page.fill("[name=username]", "nobody-here")
    page.fill("[name=password]", "not the password")
    page.press("[name=password]", "Enter")
    page.wait_for_load_state()
    assert page.inner_text("main") == known
    assert "login.localhost" in page.url


def test_no_cookie_of_ours_is_left_to_scripts(browser: Browser, demo: Demo) -> None:
    context = browser.new_context(ignore_https_errors=True)
    page = context.new_page()
    sign_in(page, demo, "editor")
    ours = [c for c in context.cookies() if c["name"].startswith("__Host-ostiary-")]
    assert ours
    assert all(c["httpOnly"] and c["secure"] and c["path"] == "/" for c in ours)
    assert not page.evaluate("document.cookie")
    context.close()


@pytest.mark.skipif(not installed(), reason="the wheel ostiary-guard is not installed")
def test_a_live_page_ends_and_says_why(browser: Browser, demo: Demo) -> None:
    context = browser.new_context(ignore_https_errors=True)
    page = context.new_page()
    sign_in(page, demo, "editor")
    page.wait_for_function("live.readyState === EventSource.OPEN", timeout=5000)
    demo.cli("verdict", "put", "user", "editor", "--reason", "demo")
    try:
        page.wait_for_selector("#ended >> text=withdrawn: demo, since 20", timeout=5000)
        assert page.evaluate("live.readyState === EventSource.CLOSED")
        page.reload()
        assert "demo" in page.inner_text("body")
        assert page.query_selector("#notes") is None
    finally:
        demo.cli("verdict", "lift", "user", "editor")
    page.reload()
    assert page.inner_text("#who") == "editor"
    context.close()


@pytest.mark.skipif(not installed(), reason="the wheel ostiary-guard is not installed")
def test_an_attack_is_stopped_with_an_explanation(person: BrowserContext, demo: Demo) -> None:
    page = person.new_page()
    sign_in(page, demo, "editor")
    page.fill("[name=text]", "<script>alert(1)</script>")
    page.click("text=Write")
    page.wait_for_load_state()
    assert page.title() == "This request was stopped"
    assert page.inner_text("#rule")
    assert page.inner_text("#where") == "ARGS:text"
    explained = demo.cli("explain", page.inner_text("#decision")).stdout
    for words in ("waf", "ARGS:text", "core demanded by: route notes", "score"):
        assert words in explained, explained
    page.goto(demo.url + "/")
    assert "alert" not in page.inner_text("#notes")


@pytest.mark.skipif(not installed(), reason="the wheel ostiary-guard is not installed")
def test_a_stranger_who_attacks_is_told_nothing(person: BrowserContext, demo: Demo) -> None:
    page = person.new_page()
    page.goto(demo.url + "/?q=..%2f..%2fetc/passwd&x=%27%20union%20select%201--")
    assert "login.localhost" in page.url or page.title() == "This request was stopped"
    assert page.query_selector("#rule") is None
