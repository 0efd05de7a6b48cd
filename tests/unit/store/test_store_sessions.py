"""Sessions, handles and codes in a real SQLite."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path

import pytest

from ostiary.errors import Refused
from ostiary.identity.exchange import Redeem, Redeemed, Refreshed
from ostiary.identity.model import Account, Code, Lifetimes, Session
from ostiary.identity.rotation import Ended, PlainHandle, Refresh, digest, first_handle
from ostiary.store.accounts import Accounts
from ostiary.store.database import Database
from ostiary.store.sessions import Sessions

LIFETIMES = Lifetimes(token=60, idle=600, absolute=3600)
SSO = PlainHandle(b"s" * 16, b"s" * 32)
APP = PlainHandle(b"a" * 16, b"a" * 32)
SESSION = Session("sid", "ada", "local", "password", 1000.0, 1000.0)
CODE = Code(digest(b"code"), "sid", "a.test", "start", "https://a.test/", 1000.0, 1001.0)
REDEEM = Redeem(digest(b"code"), "a.test", "start", LIFETIMES, 1002.0, APP)
REFRESH = Refresh(str(APP), "sid", "a.test", LIFETIMES, 1062.0, b"2" * 32)


def mint(session: Session, account: Account) -> str:
    return f"{session.sid} {account.name}"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database.in_folder(tmp_path)
    made.create()
    Accounts(made).add(Account("ada", "", (), created=0.0))
    yield made
    made.close()


@pytest.fixture
def sessions(database: Database) -> Sessions:
    made = Sessions(database)
    made.open(SESSION, first_handle(SSO, "sid", "login.test", 1000.0), None)
    made.put_code(CODE)
    return made


def test_a_code_gives_a_first_token_and_handle(sessions: Sessions) -> None:
    redeemed = sessions.redeem(REDEEM, mint)
    assert isinstance(redeemed, Redeemed)
    assert (redeemed.minted, redeemed.recent) == ("sid ada", 1)
    refreshed = sessions.refresh(REFRESH, mint)
    assert isinstance(refreshed, Refreshed)
    assert refreshed.plain == PlainHandle(APP.family, b"2" * 32)


@pytest.mark.parametrize(
    "first", [REDEEM, replace(REDEEM, host="b.test"), replace(REDEEM, start="other")]
)
def test_a_code_is_used_up_whatever_the_answer(sessions: Sessions, first: Redeem) -> None:
    sessions.redeem(first, mint)
    assert sessions.redeem(replace(REDEEM, plain=SSO), mint) == Ended("code-used")


def test_an_unknown_code_is_nothing(sessions: Sessions) -> None:
    assert sessions.redeem(replace(REDEEM, digest="x"), mint) == Ended("code-unknown")


def test_a_dead_session_redeems_and_refreshes_nothing(sessions: Sessions) -> None:
    sessions.redeem(REDEEM, mint)
    assert sessions.kill("sid", "signed-out", 5.0) == 1
    assert sessions.kill("sid", "again", 6.0) == 1  # it is the same verdict
    assert sessions.kill("nobody", "x", 6.0) is None
    assert sessions.refresh(REFRESH, mint) == Ended("signed-out", kill=True)
    person = sessions.person("sid")
    assert person is not None
    assert person[0].dead == "signed-out"


def test_a_session_that_ends_while_minting_gets_nothing(
    sessions: Sessions, database: Database
) -> None:
    sessions.redeem(REDEEM, mint)
    other = Database(database.url)
    with ThreadPoolExecutor(1) as threads:
        ending: list[Future[int | None]] = []

        def slow(session: Session, account: Account) -> str:
            # The lock is held while we mint: nobody can end the session in between.
            ending.append(threads.submit(Sessions(other).kill, "sid", "x", 5.0))
            assert not wait(ending, 0.2).done
            assert session.dead is None
            return mint(session, account)

        assert isinstance(sessions.refresh(REFRESH, slow), Refreshed)
        assert ending[0].result(5) is not None
    assert sessions.refresh(REFRESH, mint) == Ended("x", kill=True)
    other.close()


def test_a_mint_that_fails_rotates_nothing(sessions: Sessions) -> None:
    sessions.redeem(REDEEM, mint)

    def fail(_session: Session, _account: Account) -> str:
        raise Refused("token-too-large", "no")

    with pytest.raises(Refused):
        sessions.refresh(REFRESH, fail)
    assert isinstance(sessions.refresh(replace(REFRESH, now=1500.0), mint), Refreshed)


def test_parallel_refreshes_agree_on_one_successor(sessions: Sessions) -> None:
    sessions.redeem(REDEEM, mint)
    asked = [replace(REFRESH, secret=bytes([number]) * 32) for number in range(10)]
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda one: sessions.refresh(one, mint), asked))
    assert all(isinstance(answer, Refreshed) for answer in answers)
    assert len({str(answer.plain) for answer in answers if isinstance(answer, Refreshed)}) == 1


def test_reuse_after_the_overlap_kills_the_session_in_the_same_transaction(
    sessions: Sessions,
) -> None:
    sessions.redeem(REDEEM, mint)
    sessions.refresh(REFRESH, mint)
    late = replace(REFRESH, now=1093.0)
    assert sessions.refresh(late, mint) == Ended("handle-reused", kill=True)
    person = sessions.person("sid")
    assert person is not None
    assert person[0].dead == "handle-reused"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"handle": "x"}, "handle-unknown"),
        ({"handle": str(PlainHandle(b"?" * 16, b"?" * 32))}, "handle-unknown"),
        ({"sid": "other"}, "handle-of-another-session"),
    ],
)
def test_what_does_not_fit_ends_nothing(
    sessions: Sessions, change: dict[str, str], reason: str
) -> None:
    sessions.redeem(REDEEM, mint)
    assert sessions.refresh(replace(REFRESH, **change), mint) == Ended(reason)
    person = sessions.person("sid")
    assert person is not None
    assert person[0].dead is None


def test_the_sign_in_host_recognises_its_own_live_handle_only(sessions: Sessions) -> None:
    def who(plain: PlainHandle, host: str = "login.test", now: float = 1100.0) -> object:
        return sessions.recognise(str(plain), host, LIFETIMES, now)

    sessions.redeem(REDEEM, mint)
    assert who(SSO) is not None
    assert who(SSO, "other.test") is None
    assert who(APP) is None
    assert who(PlainHandle(SSO.family, b"?" * 32)) is None
    assert who(SSO, now=1603.0) is None  # idle
    sessions.kill("sid", "x", 5.0)
    assert who(SSO) is None


def test_signing_in_again_ends_the_session_before(sessions: Sessions) -> None:
    owner = sessions.owner(str(SSO))
    assert owner == "sid"
    again = replace(SESSION, sid="new")
    plain = PlainHandle(b"n" * 16, b"n" * 32)
    sessions.open(again, first_handle(plain, "new", "login.test", 1100.0), owner)
    person = sessions.person("sid")
    assert person is not None
    assert person[0].dead == "signed-in-again"


def test_no_secret_is_in_the_database_file(
    sessions: Sessions, database: Database, tmp_path: Path
) -> None:
    sessions.redeem(REDEEM, mint)
    sessions.refresh(replace(REFRESH, secret=b"Q" * 32), mint)
    database.close()
    raw = b"".join(file.read_bytes() for file in tmp_path.glob("ostiary.db*"))
    for secret in (b"s" * 32, b"a" * 32, b"Q" * 32, str(APP).encode(), str(SSO).encode()):
        assert secret not in raw


def test_what_is_over_is_swept(sessions: Sessions) -> None:
    sessions.redeem(REDEEM, mint)
    sessions.sweep(before=999.0, now=1030.0)
    assert sessions.person("sid") is not None
    sessions.sweep(before=1001.0, now=1100.0)
    assert sessions.person("sid") is None
    assert sessions.owner(str(APP)) is None
    assert sessions.redeem(REDEEM, mint) == Ended("code-unknown")


def test_nobody_is_found_under_an_unknown_sid(sessions: Sessions) -> None:
    lookups: list[Callable[[], object]] = [
        lambda: sessions.person("x"),
        lambda: sessions.owner("x"),
        lambda: sessions.owner(""),
    ]
    assert [look() for look in lookups] == [None, None, None]
