"""CRS's own regression tests over the wire: exact bytes through a real Envoy with the guard."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import guard_library
import pytest
from crs_cases import Stage
from crs_envoy import WafEnvoy, waf_envoy
from engine import Found
from messages import Message
from ratchet import had, hold_failing
from rule_sets import SIZES
from test_crs_regression import SETS, cases, faults

pytestmark = pytest.mark.envoy
PATIENCE = 5.0
"""Seconds for one answer."""
LAST = "the-last-one"
Tree = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """What came back: 0 when the connection ended without an answer."""

    status: int


def send(port: int, message: Message, name: str) -> Said:
    """The exact bytes of `message`, with the id that its line in the log will have."""
    data = b""
    with (
        contextlib.suppress(OSError),
        socket.create_connection(("127.0.0.1", port), PATIENCE) as wire,
    ):
        wire.settimeout(PATIENCE)
        wire.sendall(message.wire((b"X-CRS-Test", name.encode())))
        while b"\r\n" not in data and (more := wire.recv(65536)):
            data += more
        # An answer is inspected while it is read.
        wire.settimeout(0.2 if b"/reflect" in message.target else 0.001)
        with contextlib.suppress(TimeoutError):
            while wire.recv(65536):
                pass
    words = data.split(b" ", 2)
    return Said(int(words[1]) if len(words) > 1 and words[1].isdigit() else 0)


def lines(entry: Tree) -> tuple[str, ...]:
    """The messages of a log line, as the in-process tests write them."""
    told = (
        f'[id "{one["rule"]}"] [msg "{one.get("message", "")}"] [data "{one.get("data", "")}"]'
        for one in entry["messages"] or ()
    )
    return tuple(
        "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in line)
        for line in told
    )


def wrong(stage: Stage, said: Said, entry: Tree | None) -> list[str]:
    """What is not as the test wants it."""
    if stage.error and said.status == 0:
        return []
    rules = tuple(int(rule) for rule in (entry or {}).get("rules") or ())
    found = Found(
        blocked=False, status=said.status, rules=rules, lines=lines(entry or {"messages": ()})
    )
    bad = faults(stage, found)
    if stage.status and said.status not in stage.status:
        bad.append(f"answered with {said.status}")
    elif bad and said.status >= 400:
        bad.append(f"refused with {said.status}")
    return bad


def settled(envoy: WafEnvoy, message: Message) -> Mapping[str, Tree]:
    """The log, once the line of one more request is in it."""
    send(envoy.port, message, LAST)
    end = time.monotonic() + 10
    while LAST not in (found := envoy.logged()):
        assert time.monotonic() < end, envoy.envoy.log[-2000:]
        time.sleep(0.05)
    return found


@pytest.mark.parametrize("name", SETS)
def test_the_rule_set_passes_its_own_tests_through_envoy(name: str, tmp_path: Path) -> None:
    guard_library.needed()
    rules, files, below = SETS[name]
    every = cases(had(files), below)
    plain = Message(b"GET", b"/", ((b"Host", b"localhost"),))
    with waf_envoy(tmp_path, rules(SIZES)) as envoy:
        said = {
            f"{case.id}/{number}": send(envoy.port, stage.message, f"{case.id}/{number}")
            for case in every
            for number, stage in enumerate(case.stages)
        }
        logged = settled(envoy, plain)
    failing = {}
    for case in every:
        named = ((f"{case.id}/{number}", stage) for number, stage in enumerate(case.stages))
        bad = [why for one, stage in named for why in wrong(stage, said[one], logged.get(one))]
        if bad:
            failing[case.id] = "; ".join(bad)
    hold_failing(f"{name} over the wire", len(every), failing)
