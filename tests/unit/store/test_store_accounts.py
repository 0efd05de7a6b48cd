"""Accounts and counters in a real SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ostiary.errors import Refused
from ostiary.identity.attempts import FORGET, Counter
from ostiary.identity.model import Account, Session
from ostiary.identity.rotation import PlainHandle, first_handle
from ostiary.store.accounts import Accounts
from ostiary.store.database import Database
from ostiary.store.sessions import Sessions

ADA = Account("ada", "ada@test", ("staff", "équipe"), created=5.0, password_hash="$argon2id$x")  # noqa: S106
ADDRESS = Counter("address 203.0.113.9", free=3, longest=60.0)
PAIR = Counter("account x address 203.0.113.9", free=2, longest=60.0)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database.in_folder(tmp_path)
    made.create()
    yield made
    made.close()


@pytest.fixture
def accounts(database: Database) -> Accounts:
    return Accounts(database)


def test_an_account_reads_back_and_never_prints_its_hash(accounts: Accounts) -> None:
    accounts.add(ADA)
    assert accounts.find("ada") == ADA
    assert "argon2" not in repr(accounts.find("ada"))
    assert accounts.find("Ada") is None
    assert accounts.all() == (ADA,)


def test_a_name_is_given_once(accounts: Accounts) -> None:
    accounts.add(ADA)
    with pytest.raises(Refused) as refused:
        accounts.add(ADA)
    assert refused.value.code == "account-exists"


def test_a_name_that_cannot_be_used_is_refused_before_the_store(accounts: Accounts) -> None:
    with pytest.raises(Refused):
        accounts.add(Account("a\x00", "", (), created=0.0))
    assert accounts.all() == ()


def test_nobody_unknown_can_be_changed(accounts: Accounts) -> None:
    for change in (
        lambda: accounts.disable("nobody", 1.0),
        lambda: accounts.enable("nobody", 2.0),
        lambda: accounts.set_password("nobody", "x"),
        lambda: accounts.set_groups("nobody", ()),
    ):
        with pytest.raises(Refused) as refused:
            change()
        assert refused.value.code == "account-unknown"


def test_disabling_ends_every_session_and_enabling_revives_none(
    accounts: Accounts, database: Database
) -> None:
    accounts.add(ADA)
    sessions = Sessions(database)
    for number in range(2):
        sid = f"sid {number}"
        session = Session(sid, "ada", "local", "password", 1.0, 1.0)
        plain = PlainHandle(bytes([number]) * 16, b"1" * 32)
        sessions.open(session, first_handle(plain, sid, "login.test", 1.0), None)
    accounts.disable("ada", 1.0)
    accounts.enable("ada", 2.0)
    found = [sessions.person(f"sid {number}") for number in range(2)]
    assert [person[0].dead for person in found if person] == ["account-disabled"] * 2
    known = accounts.find("ada")
    assert known is not None
    assert not known.disabled


def test_groups_and_password_change(accounts: Accounts) -> None:
    accounts.add(ADA)
    accounts.set_groups("ada", ["b"])
    accounts.set_password("ada", "$new")
    known = accounts.find("ada")
    assert known is not None
    assert (known.groups, known.password_hash) == (("b",), "$new")


def test_attempts_are_counted_before_they_are_made(accounts: Accounts) -> None:
    waits = [accounts.admit((ADDRESS, PAIR), 100.0) for _ in range(4)]
    assert waits == [0.0, 0.0, 1.0, 1.0]
    assert accounts.admit((ADDRESS, PAIR), 101.0) == 0.0
    assert accounts.admit((ADDRESS, PAIR), 101.5) == 1.5  # waiting has doubled


def test_many_guesses_at_once_are_not_one_guess(accounts: Accounts) -> None:
    with ThreadPoolExecutor(4) as pool:
        waits = list(pool.map(lambda _: accounts.admit((PAIR,), 100.0), range(12)))
    assert waits.count(0.0) == PAIR.free


def test_success_forgives_the_account_but_the_address_only_once(accounts: Accounts) -> None:
    accounts.admit((ADDRESS, PAIR), 100.0)
    accounts.admit((ADDRESS, PAIR), 100.0)
    accounts.forgive((ADDRESS, PAIR))
    assert [accounts.admit((PAIR,), 100.0) for _ in range(3)] == [0.0, 0.0, 1.0]
    assert [accounts.admit((ADDRESS,), 100.0) for _ in range(3)] == [0.0, 0.0, 1.0]


def test_old_counters_are_swept(accounts: Accounts) -> None:
    for _ in range(3):
        accounts.admit((PAIR,), 100.0)
    accounts.sweep(100.0 + FORGET + 1)
    assert accounts.admit((PAIR,), 100.0) == 0.0
