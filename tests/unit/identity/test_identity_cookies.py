"""Cookies: read as Envoy reads them, set under the `__Host-` rules."""

from __future__ import annotations

import pytest

from ostiary.errors import Refused
from ostiary.identity.cookies import clear_cookie, read_cookies, set_cookie
from ostiary.wire import SESSION_COOKIE


def test_names_and_values() -> None:
    assert read_cookies("a=1; b=2;c=;  d = x ; =nameless; junk; e=f=g") == {
        "a": "1",
        "b": "2",
        "c": "",
        "d ": " x",
        "e": "f=g",
    }


def test_the_first_of_a_foreign_name_wins() -> None:
    assert read_cookies("a=1; a=2")["a"] == "1"


def test_one_of_ours_twice_is_refused() -> None:
    with pytest.raises(Refused, match="twice") as refused:
        read_cookies(f"{SESSION_COOKIE}=1; a=2; {SESSION_COOKIE}=1")
    assert refused.value.code == "cookie-twice"


def test_one_pair_of_quotes_goes_as_in_envoy() -> None:
    assert read_cookies('a="x"; b="; c=""') == {"a": "x", "b": '"', "c": ""}


def test_a_cookie_of_ours_is_host_only_and_unreadable_for_scripts() -> None:
    assert set_cookie(SESSION_COOKIE, "x", 5) == (
        f"{SESSION_COOKIE}=x; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=5"
    )
    assert "Max-Age=0" in clear_cookie(SESSION_COOKIE)


def test_we_set_no_other_cookie() -> None:
    with pytest.raises(ValueError, match="not a cookie of ours"):
        set_cookie("session", "x", 5)
