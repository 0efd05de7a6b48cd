"""A fault of the rule engine refuses the request at which it shows, and no other (real Envoy)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from test_guard_panics import library  # noqa: F401  a build that panics when it is asked to
from waf_clients import post
from waf_rig import WafRig, waf_rig

pytestmark = pytest.mark.envoy


@pytest.fixture(scope="module")
def waf(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[WafRig]:
    """One Envoy for all, with a guard that can be made to panic."""
    folder = request.getfixturevalue("library")
    with waf_rig(tmp_path_factory.mktemp("panics"), library=folder) as made:
        yield made


@pytest.mark.parametrize("route", ["", "/shadow", "/answers"])
def test_a_panic_of_the_engine_refuses_this_request_alone(waf: WafRig, route: str) -> None:
    said = post(waf.port, f"{route}/a", b"a=provoke-panic", "text/plain")
    assert (said.status, said.body.partition("|")[0]) == (500, "ostiary.guard_failed")
    assert "the rule engine panicked" in waf.envoy.log
    assert post(waf.port, f"{route}/b", b"a=1", "text/plain").status == 200
    waf.until_idle()
