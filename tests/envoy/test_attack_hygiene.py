"""Envoy passes a request on when its script fails; ours must refuse what it cannot clean."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from identity_rig import Rig, rig, site

from ostiary.features import hygiene
from ostiary.policy.rules import Effect, Level, Rule
from ostiary.wire import SESSION_COOKIE

pytestmark = pytest.mark.envoy

OPEN = (Level("route notes", (Rule("all", Effect.ALLOW, public=True),)),)
STEPS = {"clean_request": "_REQUEST", "clean_response": "_RESPONSE"}
"""A step, and the script that it is in."""


def _broken(step: str) -> str:
    """The script with a fault in the middle of `step`."""
    head = f"local function {step}(handle)\n"
    script: str = getattr(hygiene, STEPS[step])
    assert head in script
    return script.replace(head, f"{head}  local nothing = nil; nothing.x = 1\n")


@pytest.fixture(params=STEPS)
def broken(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[tuple[str, Rig]]:
    monkeypatch.setattr(hygiene, STEPS[request.param], _broken(request.param))
    with rig(tmp_path_factory.mktemp("broken"), [site("/", OPEN)]) as made:
        yield request.param, made


def test_a_script_that_fails_passes_nothing_uncleaned(broken: tuple[str, Rig]) -> None:
    step, edge = broken
    edge.extra_set_cookies[:] = ["theme=dark", f"{SESSION_COOKIE}=forged; Path=/; Secure"]
    got = edge.request("/", cookie=f"{SESSION_COOKIE}=stolen; theme=light")
    if step == "clean_request":
        assert got.status == 500
        assert "could not be cleaned" in got.body
        assert got.header("x-ostiary-decision")
    else:
        assert got.status == 200
        assert got.header("set-cookie") == ""
        assert SESSION_COOKIE not in got.body
