"""Refresh handles: rotate, overlap, and what a stolen one does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ostiary.identity.model import Account, Lifetimes, Session
from ostiary.identity.rotation import (
    Ended,
    PlainHandle,
    Refresh,
    RefreshHandle,
    Repeat,
    Rotate,
    digest,
    first_handle,
    judge,
    read_handle,
)

FIRST = PlainHandle(b"f" * 16, b"1" * 32)
SESSION = Session("sid", "ada", "local", "password", created=1000.0, last_used=1000.0)
ACCOUNT = Account("ada", "", (), created=0.0)
STORED = first_handle(FIRST, "sid", "a.test", 1000.0)
ASKED = Refresh(
    handle=str(FIRST),
    sid="sid",
    host="a.test",
    lifetimes=Lifetimes(token=60, idle=600, absolute=3600),
    now=1060.0,
    secret=b"2" * 32,
)


def rotated() -> RefreshHandle:
    verdict = judge(ASKED, FIRST, STORED, (SESSION, ACCOUNT))
    assert isinstance(verdict, Rotate)
    return verdict.kept


def test_a_handle_reads_back_as_it_was_written() -> None:
    assert read_handle(str(FIRST)) == FIRST
    assert len(str(FIRST)) == 64
    assert "1" not in repr(FIRST).replace("[redacted]", "")


@pytest.mark.parametrize("text", ["", "x", "!" * 64, "é" * 64, str(FIRST) + "A", " " + str(FIRST)])
def test_what_is_no_handle_reads_as_none(text: str) -> None:
    assert read_handle(text) is None


def test_use_rotates_and_keeps_only_hashes() -> None:
    verdict = judge(ASKED, FIRST, STORED, (SESSION, ACCOUNT))
    assert isinstance(verdict, Rotate)
    assert verdict.plain == PlainHandle(FIRST.family, ASKED.secret)
    kept = verdict.kept
    assert (kept.current, kept.previous) == (digest(ASKED.secret), digest(FIRST.secret))
    assert (kept.used, kept.replaced) == (1060.0, 1060.0)
    assert ASKED.secret not in (kept.successor, kept.current.encode())


@pytest.mark.parametrize("later", [0, 29, 30])
def test_the_previous_handle_is_answered_with_the_same_successor(later: int) -> None:
    asked = replace(ASKED, now=1060.0 + later, secret=b"3" * 32)
    verdict = judge(asked, FIRST, rotated(), (SESSION, ACCOUNT))
    assert verdict == Repeat(PlainHandle(FIRST.family, b"2" * 32))


def test_after_the_overlap_it_ends_the_session() -> None:
    verdict = judge(replace(ASKED, now=1091.0), FIRST, rotated(), (SESSION, ACCOUNT))
    assert verdict == Ended("handle-reused", kill=True)


def test_an_older_one_ends_the_session_at_once() -> None:
    second = PlainHandle(FIRST.family, ASKED.secret)
    asked = replace(ASKED, secret=b"3" * 32)
    verdict = judge(asked, second, rotated(), (SESSION, ACCOUNT))
    assert isinstance(verdict, Rotate)
    assert judge(asked, FIRST, verdict.kept, (SESSION, ACCOUNT)) == Ended("handle-reused", True)


def test_another_host_ends_the_session() -> None:
    verdict = judge(replace(ASKED, host="b.test"), FIRST, STORED, (SESSION, ACCOUNT))
    assert verdict == Ended("handle-of-another-host", kill=True)


def test_idleness_ends_the_handle_but_not_the_session() -> None:
    verdict = judge(replace(ASKED, now=1601.0), FIRST, STORED, (SESSION, ACCOUNT))
    assert verdict == Ended("idle-lifetime")


@pytest.mark.parametrize(
    ("session", "account", "now", "reason"),
    [
        (replace(SESSION, dead="signed-out"), ACCOUNT, 1060.0, "signed-out"),
        (SESSION, replace(ACCOUNT, disabled=True), 1060.0, "account-disabled"),
        (SESSION, ACCOUNT, 4600.0, "absolute-lifetime"),
    ],
)
def test_an_ended_session_refreshes_nothing(
    session: Session, account: Account, now: float, reason: str
) -> None:
    used = replace(STORED, used=now)
    verdict = judge(replace(ASKED, now=now), FIRST, used, (session, account))
    assert verdict == Ended(reason, kill=True)
