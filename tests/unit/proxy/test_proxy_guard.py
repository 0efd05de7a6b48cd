"""The guard is found, fits its Envoy, and says how it is; or the agent says what is wrong."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from ostiary.errors import Refused
from ostiary.proxy.envoy import Command
from ostiary.proxy.guard import Guard, State, found, read_state, required

STATE = State("0.1.0", "1.40.0", "e", 7, 3, 0, None, connected=True, streams=2, cuts=1)
FACTS = {
    "version": "0.1.0",
    "envoy": "1.40.0",
    "epoch": "e",
    "applied": 7,
    "entries": 3,
    "refused": 0,
    "fresh_ms": None,
    "connected": True,
    "streams": 2,
    "cuts": 1,
    "cached_tokens": 5,
}


def test_without_the_wheel_there_is_no_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ostiary.proxy.guard.find_spec", lambda _name: None)
    assert found() is None
    with pytest.raises(Refused, match="pip install ostiary-guard") as refused:
        required(None, "1.40.0")
    assert refused.value.code == "guard-missing"


def test_the_wheel_says_where_it_is_and_whose(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = ModuleType("ostiary_guard")
    fake.ENVOY = "1.40.0"  # type: ignore[attr-defined]
    fake.module_path = lambda: Path("/w/libostiary_guard.so")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ostiary_guard", fake)
    monkeypatch.setattr("ostiary.proxy.guard.find_spec", lambda _name: object())
    guard = found()
    assert guard == Guard(Path("/w/libostiary_guard.so"), "1.40.0")
    assert required(guard, "1.40.0") is guard


def test_a_guard_of_another_envoy_is_refused_in_words() -> None:
    with pytest.raises(Refused) as refused:
        required(Guard(Path("/w/x.so"), "1.39.2"), "1.40.0")
    assert refused.value.code == "guard-other-envoy"
    assert "made for Envoy 1.39.2, and this is Envoy 1.40.0" in str(refused.value)


def test_envoy_is_told_the_folder_of_the_guard_and_only_then() -> None:
    plain = Command(Path("/e"), lambda: b"", [], 2, "error")
    assert plain.words()[0] == "/e"
    guarded = Command(Path("/e"), lambda: b"", [], 2, "error", Guard(Path("/w/x.so"), "1"))
    assert guarded.words() == ["env", "ENVOY_DYNAMIC_MODULES_SEARCH_PATH=/w", *plain.words()]


def test_the_state_is_read_also_when_it_says_more() -> None:
    assert read_state(json.dumps(FACTS).encode()) == STATE


@pytest.mark.parametrize("body", [b"", b"no", b"[]", b"{}", b'{"version": 1}', b"{", b"\xff"])
def test_what_is_no_state_is_none(body: bytes) -> None:
    assert read_state(body) is None
