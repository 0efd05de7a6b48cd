"""What a verdict holds against whoever signs in, comes back or renews."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from ostiary.errors import Refused
from ostiary.identity.exchange import Redeem, Redeemed, Refreshed
from ostiary.identity.model import Account, Code, Lifetimes, Session
from ostiary.identity.rotation import Ended, PlainHandle, Refresh, digest, first_handle
from ostiary.store.accounts import Accounts
from ostiary.store.database import Database
from ostiary.store.sessions import Sessions
from ostiary.store.verdicts import Verdicts
from ostiary.trust.verdict import Effect, Kind, Verdict

LIFETIMES = Lifetimes(token=60, idle=600, absolute=3600)
SSO = PlainHandle(b"s" * 16, b"s" * 32)
APP = PlainHandle(b"a" * 16, b"a" * 32)
SESSION = Session("sid", "ada", "local", "password", 1000.2, 1000.2)
CODE = Code(digest(b"code"), "sid", "a.test", "start", "https://a.test/", 1000.0, 1001.0)
REDEEM = Redeem(digest(b"code"), "a.test", "start", LIFETIMES, 1002.0, APP)
REFRESH = Refresh(str(APP), "sid", "a.test", LIFETIMES, 1062.0, b"2" * 32)
ABOUT = [(Kind.USER, "ada"), (Kind.SESSION, "sid"), (Kind.PROVIDER, "local")]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database.in_folder(tmp_path)
    made.create()
    Accounts(made).add(Account("ada", "", (), created=0.0))
    yield made
    made.close()


@pytest.fixture
def sessions(database: Database) -> Sessions:
    return Sessions(database)


def begin(sessions: Sessions, session: Session = SESSION) -> None:
    sessions.open(session, first_handle(SSO, "sid", "login.test", session.created), None)
    sessions.put_code(CODE)


def hold(
    database: Database, kind: Kind, key: str, effect: Effect = Effect.DENY, since: float = 1001.0
) -> Verdict:
    verdict = Verdict(uuid4(), kind, key, effect, "demo", "test", since, rate=1, per=60.0)
    Verdicts(database).put([verdict], "test", "", since)
    return verdict


def mint(session: Session, account: Account) -> str:
    return f"{session.sid} {account.name} {int(session.created)}"


@pytest.mark.parametrize(("kind", "key"), ABOUT)
def test_a_deny_mints_nothing_until_it_is_lifted(
    database: Database, sessions: Sessions, kind: Kind, key: str
) -> None:
    begin(sessions)
    assert isinstance(sessions.redeem(REDEEM, mint), Redeemed)
    verdict = hold(database, kind, key)
    assert sessions.refresh(REFRESH, mint) == Ended("access-withdrawn")
    assert sessions.recognise(str(SSO), "login.test", LIFETIMES, 1062.0) is None
    Verdicts(database).lift([verdict.id], "test", "", 1061.0)
    assert isinstance(sessions.refresh(REFRESH, mint), Refreshed)
    assert sessions.recognise(str(SSO), "login.test", LIFETIMES, 1062.0) is not None


@pytest.mark.parametrize(("kind", "key"), ABOUT)
def test_a_code_is_worth_nothing_under_a_deny(
    database: Database, sessions: Sessions, kind: Kind, key: str
) -> None:
    begin(sessions)
    hold(database, kind, key)
    assert sessions.redeem(REDEEM, mint) == Ended("access-withdrawn")


@pytest.mark.parametrize(("kind", "key"), [ABOUT[0], ABOUT[2]])
def test_a_denied_person_opens_no_session(
    database: Database, sessions: Sessions, kind: Kind, key: str
) -> None:
    hold(database, kind, key, since=1000.0)
    with pytest.raises(Refused, match="demo"):
        begin(sessions)
    assert sessions.person("sid") is None


@pytest.mark.parametrize("effect", [Effect.LIMIT, Effect.SCORE])
def test_a_limit_or_a_score_ends_no_session(
    database: Database, sessions: Sessions, effect: Effect
) -> None:
    begin(sessions)
    hold(database, Kind.USER, "ada", effect)
    assert isinstance(sessions.redeem(REDEEM, mint), Redeemed)


def test_whoever_signed_in_before_a_step_up_does_so_again(
    database: Database, sessions: Sessions
) -> None:
    begin(sessions)
    hold(database, Kind.USER, "ada", Effect.STEP_UP)
    assert sessions.recognise(str(SSO), "login.test", LIFETIMES, 1002.0) is None
    assert sessions.why_not(str(SSO), "login.test", LIFETIMES, 1002.0) == "step-up"
    assert sessions.redeem(REDEEM, mint) == Ended("step-up")


@pytest.mark.parametrize("since", [1000.0, 1000.1, 1000.2])
def test_a_sign_in_within_the_second_of_a_step_up_answers_it(
    database: Database, sessions: Sessions, since: float
) -> None:
    hold(database, Kind.USER, "ada", Effect.STEP_UP, since)
    begin(sessions)
    assert sessions.recognise(str(SSO), "login.test", LIFETIMES, 1002.0) is not None
    redeemed = sessions.redeem(REDEEM, mint)
    assert isinstance(redeemed, Redeemed)
    assert int(redeemed.minted.split()[-1]) >= since  # what the guard compares


def test_a_step_up_later_in_the_second_of_a_sign_in_asks_again(
    database: Database, sessions: Sessions
) -> None:
    begin(sessions)
    hold(database, Kind.USER, "ada", Effect.STEP_UP, 1000.7)
    assert sessions.redeem(REDEEM, mint) == Ended("step-up")


@pytest.mark.parametrize(
    ("key", "address", "held"),
    [
        ("192.0.2.7", "192.0.2.7", True),
        ("192.0.2.0/24", "192.0.2.7", True),
        ("192.0.2.0/24", "::ffff:192.0.2.7", True),
        ("0.0.0.0/0", "192.0.2.7", True),
        ("2001:db8::/32", "2001:db8:0:1::9", True),
        ("192.0.2.0/25", "192.0.2.200", False),
        ("192.0.2.7", "192.0.2.8", False),
        ("192.0.2.7", "", False),
        ("2001:db8::/32", "192.0.2.7", False),
    ],
)
def test_a_verdict_on_an_address_mints_nothing_there(
    database: Database, sessions: Sessions, *, key: str, address: str, held: bool
) -> None:
    begin(sessions)
    assert isinstance(sessions.redeem(REDEEM, mint), Redeemed)
    hold(database, Kind.ADDRESS, key)
    found = sessions.refresh(replace(REFRESH, address=address), mint)
    assert (found == Ended("access-withdrawn")) is held
    sessions.put_code(replace(CODE, digest="another"))
    again = replace(REDEEM, digest="another", address=address, plain=PlainHandle(b"z" * 16, b"z"))
    assert (sessions.redeem(again, mint) == Ended("access-withdrawn")) is held
    new = replace(SESSION, sid="new")
    handle = first_handle(PlainHandle(b"n" * 16, b"n" * 32), "new", "login.test", 1100.0)
    if held:
        with pytest.raises(Refused, match="from this address"):
            sessions.open(new, handle, None, address)
    else:
        sessions.open(new, handle, None, address)


def test_only_its_own_browser_is_told_why_a_session_ended(
    database: Database, sessions: Sessions
) -> None:
    begin(sessions)

    def told(text: str = str(SSO), host: str = "login.test", now: float = 1002.0) -> str | None:
        return sessions.why_not(text, host, LIFETIMES, now)

    assert told() is None
    assert told(now=1000.2 + LIFETIMES.idle + 2) == "idle-lifetime"
    assert told(now=9000.0) == "absolute-lifetime"
    sessions.kill("sid", "ended-by-administrator", 1003.0)
    assert told() == "ended-by-administrator"
    guessed = str(PlainHandle(SSO.family, b"x" * 32))
    assert told(guessed) is None
    assert told("nonsense") is None
    assert told(host="a.test") is None


def test_a_handle_that_is_used_again_is_a_verdict(database: Database, sessions: Sessions) -> None:
    begin(sessions)
    sessions.redeem(REDEEM, mint)
    assert isinstance(sessions.refresh(REFRESH, mint), Refreshed)
    reused = sessions.refresh(replace(REFRESH, now=1262.0, secret=b"3" * 32), mint)
    assert isinstance(reused, Ended)
    held = Verdicts(database).all(1262.0, Kind.SESSION, "sid")
    assert [(one.effect, one.reason) for one in held] == [(Effect.DENY, reused.reason)]


def test_signing_in_again_is_a_verdict_on_the_session_before(
    database: Database, sessions: Sessions
) -> None:
    begin(sessions)
    new = replace(SESSION, sid="new", created=1100.0)
    other = PlainHandle(b"o" * 16, b"o" * 32)
    sessions.open(new, first_handle(other, "new", "login.test", 1100.0), "sid")
    held = Verdicts(database).all(1100.0, Kind.SESSION, "sid")
    assert [one.reason for one in held] == ["signed-in-again"]
