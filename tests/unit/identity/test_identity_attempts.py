"""Delays that grow, end, and never lock for good."""

from __future__ import annotations

import pytest

from ostiary.identity.attempts import FORGET, Counter, counters, network_of, wait

COUNTER = Counter("x", free=3, longest=60.0)


def test_the_first_attempts_are_free_then_each_doubles_the_wait() -> None:
    waits = [wait(COUNTER, failures, 100.0, 100.0) for failures in range(12)]
    assert waits == [0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_waiting_ends() -> None:
    assert wait(COUNTER, 5, 100.0, 103.0) == 1.0
    assert wait(COUNTER, 5, 100.0, 104.0) == 0.0


def test_no_number_of_failures_waits_longer_than_the_longest() -> None:
    assert wait(COUNTER, 10**9, 100.0, 100.0) == 60.0


def test_silence_forgets() -> None:
    assert wait(Counter("x", 0, 10.0**9), 40, 0.0, FORGET + 1) == 0.0


def test_the_account_as_a_whole_is_the_most_patient() -> None:
    address, pair, account = counters("ada", "203.0.113.9")
    assert account.free > pair.free
    assert account.longest < pair.longest <= address.longest
    assert "ada" not in account.key + pair.key


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("", "unknown"),
        ("x" * 100, "unknown"),
    ],
)
def test_an_address_is_counted_by_its_subscriber(address: str, network: str) -> None:
    assert network_of(address) == network
