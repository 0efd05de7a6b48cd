"""To a proxy an error means that `login` is away; a request must not be able to cause one."""

from __future__ import annotations

import pytest
from login_site import Browser, Site

from ostiary.protos.messages import auth

METHOD = "/envoy.service.auth.v3.Authorization/Check"


async def _raw(site: Site, message: bytes) -> auth.CheckResponse:
    async with site.channel() as channel:
        call = channel.unary_unary(METHOD, response_deserializer=auth.CheckResponse.FromString)
        answer: auth.CheckResponse = await call(message)
    return answer


async def test_a_message_that_is_no_message_is_answered_with_a_refusal(
    site: Site, browser: Browser
) -> None:
    sound = browser.ask().SerializeToString()
    assert b"/page" in sound
    for message in (b"\xff\xff", sound[:-3], sound.replace(b"/page", b"/\xff\xffge")):
        answer = await _raw(site, message)
        assert answer.status.code != 0
        assert answer.denied_response.status.code == 503


async def test_a_fault_of_ours_is_answered_with_a_refusal(
    site: Site, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise RuntimeError("a fault that nobody foresaw")

    monkeypatch.setattr(site.stores.site, "directory", broken)
    answer = await _raw(site, browser.ask().SerializeToString())
    assert answer.status.code != 0
    assert answer.denied_response.status.code == 503
    assert "foresaw" not in answer.denied_response.body
