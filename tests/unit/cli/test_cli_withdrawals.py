"""Trust withdrawn and given back on the command line, over a real API and a real store."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from api_running import MINI, Api
from cli_running import Said, command, control_plane

from ostiary.api.ports import User
from ostiary.identity.model import Account, Session
from ostiary.identity.rotation import PlainHandle, first_handle
from ostiary.store.accounts import Accounts
from ostiary.store.sessions import Sessions


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def api(state: Path) -> Iterator[Api]:
    with control_plane(state) as running:
        running.plane.accounts["ada"] = User("ada", "", (), disabled=False)
        yield running


def asked(state: Path, *words: str) -> Said:
    return command(*words, "--state", state)


def put(state: Path, *words: str) -> str:
    """The id of the verdict that was put."""
    said = asked(state, "verdict", "put", *words)
    assert said.code == 0, said.err
    return said.out.strip()


def signed_in(api: Api, sid: str, account: str = "ada") -> None:
    """A session of `account` that is alive."""
    database = api.plane.decisions_kept._database
    if Accounts(database).find(account) is None:
        Accounts(database).add(Account(account, "", (), created=0.0))
    now = time.time()
    handle = first_handle(PlainHandle(sid.encode(), b"x"), sid, "login.test", now)
    Sessions(database).open(Session(sid, account, "local", "password", now, now), handle, None)


def test_put_says_the_id_and_who_enforces_it(api: Api, state: Path) -> None:
    said = asked(state, "verdict", "put", "user", "ada", "--reason", "left-company")
    assert said.code == 0
    assert "enforced at 2 of 2 gateways" in said.err
    listed = asked(state, "verdict", "list").out
    assert said.out.strip() in listed
    assert "left-company" in listed
    assert asked(state, "verdict", "list").code == 0


def test_who_is_late_is_named(api: Api, state: Path) -> None:
    api.plane.late = (MINI,)
    said = asked(state, "verdict", "put", "user", "ada")
    assert "enforced at 1 of 2 gateways" in said.err
    assert f"not yet: {MINI}" in said.err


def test_every_effect_reads_as_it_was_given(api: Api, state: Path) -> None:
    put(state, "user", "ada", "--effect", "limit", "--rate", "10/m")
    put(state, "address", "192.0.2.0/24", "--effect", "score", "--score", "70")
    put(state, "user", "eve", "--unknown-user", "--for", "1h")
    lines = asked(state, "verdict", "list").out.splitlines()
    assert "until 2" in lines[0]
    assert "score 70" in lines[1]
    assert "limit 10 in 60 s" in lines[2]


def test_for_programs_all_of_it_is_json(api: Api, state: Path) -> None:
    given = json.loads(asked(state, "verdict", "put", "user", "ada", "--json").out)
    assert given["reached"]["guarded"] is True
    (one,) = json.loads(asked(state, "verdict", "list", "--json").out)
    assert one == given["verdict"]
    (deed,) = json.loads(asked(state, "audit", "--json").out)
    assert (deed["deed"], deed["verdict"]) == ("put", one["id"])


@pytest.mark.parametrize("by", ["id", "key"])
def test_what_is_lifted_holds_no_longer_and_the_log_says_why(
    api: Api, state: Path, by: str
) -> None:
    one = put(state, "user", "ada", "--why", "her laptop was stolen")
    words = [one] if by == "id" else ["user", "ada"]
    said = asked(state, "verdict", "lift", *words, "--why", "found again")
    assert (said.code, f"lifted {one}" in said.err) == (0, True)
    assert "no verdict holds" in asked(state, "verdict", "list").err
    log = asked(state, "audit", one).out.splitlines()
    assert "lift" in log[0]
    assert "found again" in log[0]
    assert "her laptop was stolen" in log[1]
    assert len(asked(state, "audit", "--limit", "1").out.splitlines()) == 1


def test_all_verdicts_about_one_key_are_lifted(api: Api, state: Path) -> None:
    put(state, "user", "ada")
    put(state, "user", "ada", "--effect", "step-up")
    kept = put(state, "address", "192.0.2.7")
    assert asked(state, "verdict", "lift", "user", "ada").err.count("lifted ") == 2
    assert kept in asked(state, "verdict", "list").out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["verdict", "put", "user", "eve"], "there is no account 'eve'"),
        (["verdict", "put", "address", "nowhere"], "is no address or range"),
        (["verdict", "lift", "user", "ada"], "no verdict about the user 'ada' holds"),
        (["verdict", "lift", "8c4f2c8e-0000-4000-8000-000000000009"], "there is no verdict"),
        (["session", "kill", "nobody"], "there is no session 'nobody'"),
        (["user", "disable", "eve"], "there is no account eve"),
        (["user", "enable", "eve"], "there is no account eve"),
    ],
)
def test_what_cannot_be_done_is_said(
    api: Api, state: Path, words: list[str], sentence: str
) -> None:
    said = asked(state, *words)
    assert said.code == 1
    assert sentence in said.err


def test_nothing_was_withdrawn_yet(api: Api, state: Path) -> None:
    assert "nothing was withdrawn yet" in asked(state, "audit").err
    assert "no verdict holds" in asked(state, "verdict", "list").err
    assert "nobody is signed in" in asked(state, "session", "list").err


def test_a_session_is_listed_and_killed(api: Api, state: Path) -> None:
    signed_in(api, "sid-of-ada")
    signed_in(api, "sid-of-bob", "bob")
    assert len(asked(state, "session", "list").out.splitlines()) == 2
    mine = asked(state, "session", "list", "ada").out
    assert mine.split()[:3] == ["sid-of-ada", "ada", "local"]
    assert [one["sid"] for one in json.loads(asked(state, "session", "list", "--json").out)] == [
        "sid-of-bob",
        "sid-of-ada",
    ]
    said = asked(state, "session", "kill", "sid-of-ada")
    assert "ended sid-of-ada" in said.err
    assert "enforced at 2 of 2 gateways" in said.err
    assert "sid-of-ada" not in asked(state, "session", "list").out
    again = asked(state, "session", "kill", "sid-of-ada")
    assert again.code == 0, "ended twice is ended"


def test_an_account_is_disabled_and_enabled(api: Api, state: Path) -> None:
    assert "disabled ada" in asked(state, "user", "disable", "ada").err
    assert api.plane.accounts["ada"].disabled
    assert "enabled ada" in asked(state, "user", "enable", "ada").err
    assert not api.plane.accounts["ada"].disabled


def test_without_a_guard_it_says_what_that_means(state: Path) -> None:
    with control_plane(state, guarded=False) as api:
        api.plane.accounts["ada"] = User("ada", "", (), disabled=False)
        refused = asked(state, "verdict", "put", "user", "ada")
        assert refused.code == 1
        assert "the gateways run without the guard" in refused.err
        signed_in(api, "s1")
        assert "a token issued before counts" in asked(state, "session", "kill", "s1").err
