"""Pending sign-ins, codes and the directory: small values with sharp edges."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ostiary.errors import Refused
from ostiary.identity.codes import goes_round, refuse_code
from ostiary.identity.directory import (
    Directory,
    Place,
    SignInHost,
    host_of,
    origin,
    read_place,
    read_sign_in,
    write_place,
    write_sign_in,
)
from ostiary.identity.model import Code, Lifetimes, check_account
from ostiary.identity.pending import MOST, SignInPending, open_pending, seal_pending
from ostiary.store.seal import Seal

SEAL = Seal(b"k" * 32)
CODE = Code("d", "sid", "a.test", "start", "https://a.test/", begun=95.0, created=100.0)


def test_pending_sign_ins_survive_the_browser() -> None:
    pending = {"one": SignInPending(100.0, "s", "a.test", "https://a.test/"), "two": _at(101.0)}
    cookie = seal_pending(pending, SEAL, "login.test")
    assert open_pending(cookie, SEAL, "login.test", 102.0) == pending


def test_the_oldest_make_room() -> None:
    pending = {str(n): _at(100.0) for n in range(MOST + 3)}
    opened = open_pending(seal_pending(pending, SEAL, "l"), SEAL, "l", 100.0)
    assert list(opened) == [str(n) for n in range(3, MOST + 3)]


def test_old_ones_are_over() -> None:
    cookie = seal_pending({"one": _at(100.0)}, SEAL, "l")
    assert open_pending(cookie, SEAL, "l", 700.0) != {}
    assert open_pending(cookie, SEAL, "l", 700.5) == {}


@pytest.mark.parametrize("cookie", [None, "", "x", "é", "AAAA", "A" * 4000])
def test_a_forged_cookie_holds_nothing(cookie: str | None) -> None:
    assert open_pending(cookie, SEAL, "l", 0.0) == {}


def test_a_cookie_of_another_host_or_key_holds_nothing() -> None:
    cookie = seal_pending({"one": _at(0.0)}, SEAL, "l")
    assert open_pending(cookie, SEAL, "other", 0.0) == {}
    assert open_pending(cookie, Seal(b"x" * 32), "l", 0.0) == {}


@pytest.mark.parametrize(
    ("code", "host", "start", "now", "reason"),
    [
        (CODE, "a.test", "start", 130.0, None),
        (CODE, "a.test", "start", 130.1, "code-expired"),
        (CODE, "b.test", "start", 100.0, "code-elsewhere"),
        (CODE, "a.test", "other", 100.0, "code-elsewhere"),
        (replace(CODE, used=101.0), "a.test", "start", 102.0, "code-used"),
    ],
)
def test_a_code_works_once_there_and_then(
    code: Code, host: str, start: str, now: float, reason: str | None
) -> None:
    assert refuse_code(code, host, start, now) == reason


def test_a_browser_sent_round_with_a_young_token_is_noticed() -> None:
    assert goes_round(CODE, token_issued=93.0, recent=3, now=101.0)
    assert not goes_round(CODE, token_issued=93.0, recent=2, now=101.0)
    assert not goes_round(CODE, token_issued=97.0, recent=9, now=101.0)  # a parallel tab
    assert not goes_round(CODE, token_issued=80.0, recent=9, now=101.0)  # expired meanwhile


def test_the_directory_reads_back_and_finds_the_longest_wildcard() -> None:
    lifetimes = Lifetimes(60, 600, 3600)
    known = Directory(
        (
            Place("*.test", 443, "login.test", ()),
            Place("*.apps.test", 443, "login.test", ("x",)),
            Place("a.apps.test", 443, "login.test", ("y",)),
        ),
        (SignInHost("login.test", "https://login.test", lifetimes, frozenset("b"), "g", ("l",)),),
    )
    assert tuple(read_place(write_place(place)) for place in known.places) == known.places
    assert read_sign_in(write_sign_in(known.sign_in)) == known.sign_in
    found = {host: known.place(host) for host in ("a.apps.test", "b.apps.test", "c.test", "test")}
    patterns = {host: place.pattern for host, place in found.items() if place is not None}
    assert patterns == {
        "a.apps.test": "a.apps.test",
        "b.apps.test": "*.apps.test",
        "c.test": "*.test",
    }
    assert known.place("*.test") is None
    assert known.door("c.test") is not None
    assert known.sign_in_host("c.test") is None


def test_a_host_has_no_port_and_no_capitals() -> None:
    assert [host_of(text) for text in ("A.test:8443", "a.test", "a:b", "")] == [
        "a.test",
        "a.test",
        "a:b",
        "",
    ]


def test_an_origin_has_no_default_port() -> None:
    assert (origin("a", 443), origin("a", 8443)) == ("https://a", "https://a:8443")


@pytest.mark.parametrize(
    ("name", "email", "groups"),
    [
        ("", "", ()),
        (" ada", "", ()),
        ("a\x00b", "", ()),
        ("a\nb", "", ()),
        ("x" * 129, "", ()),
        ("corp:ada", "", ()),
        ("ada", "nobody", ()),
        ("ada", "a@b@c", ()),
        ("ada", "", ("",)),
        ("ada", "", ("a\tb",)),
    ],
)
def test_what_is_no_account_is_said_so(name: str, email: str, groups: tuple[str, ...]) -> None:
    with pytest.raises(Refused):
        check_account(name, email, groups)


def test_an_account_may_have_any_script() -> None:
    check_account("Zoë Ångström", "zoë@test", ("équipe",))


def _at(begun: float) -> SignInPending:
    return SignInPending(begun)
