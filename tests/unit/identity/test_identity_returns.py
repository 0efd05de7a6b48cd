"""Return addresses: a closed grammar, checked with everything we could think of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.errors import Refused
from ostiary.identity.directory import Directory, Place
from ostiary.identity.returns import LONGEST, check_return, is_start, return_path

SITE = Directory(
    places=(
        Place("notes.test", 8443, "login.test", ()),
        Place("plain.test", 443, "login.test", ()),
        Place("*.apps.test", 8443, "login.test", ()),
        Place("other.test", 8443, "login.other", ()),
    )
)


@pytest.mark.parametrize(
    ("address", "host", "url"),
    [
        ("https://notes.test:8443", "notes.test", "https://notes.test:8443/"),
        ("https://NOTES.test:8443/A?b=c&d", "notes.test", "https://notes.test:8443/A?b=c&d"),
        ("https://plain.test/x", "plain.test", "https://plain.test/x"),
        ("https://plain.test:443/x", "plain.test", "https://plain.test/x"),
        ("https://a.b.apps.test:8443/", "a.b.apps.test", "https://a.b.apps.test:8443/"),
    ],
)
def test_an_application_of_ours(address: str, host: str, url: str) -> None:
    assert check_return(address, SITE, "login.test") == (host, url)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "notes.test",
        "http://notes.test:8443/",
        "https://notes.test/",
        "https://user@notes.test:8443/",
        "https://notes.test:8443:8443/",
        "https://notes.test:8443\\/",
        "https://notes.test:8443/a b",
        "https://notes.test:8443/\r\n",
        "https://notes.test:8443/\n",
        "https://notes.test:8443/#a",
        "https://notes.test.:8443/",
        "https://apps.test:8443/",
        "https://*.apps.test:8443/",
        "https://other.test:8443/",
        "https://nötes.test:8443/",
        "https://[::1]:8443/",
        " https://notes.test:8443/",
    ],
)
def test_anything_else_is_refused(address: str) -> None:
    with pytest.raises(Refused) as refused:
        check_return(address, SITE, "login.test")
    assert refused.value.code == "return-refused"


@given(st.text(max_size=40))
def test_whatever_is_accepted_leads_to_a_place_of_ours(tail: str) -> None:
    try:
        _, url = check_return(f"https://notes.test:8443{tail}", SITE, "login.test")
    except Refused:
        return
    assert url.startswith("https://notes.test:8443/")
    assert url.isascii()
    assert url.isprintable()
    assert "\\" not in url


def test_a_long_path_loses_its_query_then_itself() -> None:
    assert return_path("/a?" + "x" * LONGEST) == "/a"
    assert return_path("/" + "x" * LONGEST) == "/"


def test_our_own_paths_are_no_destination() -> None:
    assert return_path("/.ostiary/callback?code=x") == "/"


@pytest.mark.parametrize(
    ("text", "told"),
    [("a" * 32, True), ("0b3c-" * 4, True), ("a" * 15, False), ("a;b" * 8, False), ("", False)],
)
def test_a_start_becomes_part_of_a_cookie_name(text: str, *, told: bool) -> None:
    assert is_start(text) is told
