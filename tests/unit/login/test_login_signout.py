"""What the sign-out page says of the gateways: what is true, and nothing better."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from login_site import APP, Site, running

from ostiary.errors import Unreachable
from ostiary.login.ports import Enforced

Enforce = Callable[[int], Awaitable[Enforced]]


async def signs_out(stored: Site, enforce: Enforce | None, times: int = 1) -> str:
    """The page that a person sees who signs out, the last one of `times`."""
    stored.stores = replace(stored.stores, enforce=enforce)
    async with running(stored):
        browser = stored.browser()
        async with browser.client:
            await browser.sign_in()
            cookies = dict(browser.jar[APP])
            for _ in range(times):
                browser.jar[APP] = dict(cookies)
                page = (await browser.post(APP, "/.ostiary/logout", {"to": "/"})).text
    return " ".join(page.split())


async def everywhere(number: int) -> Enforced:
    assert number > 0
    return Enforced(2, (), 0.001)


async def not_at_one(_number: int) -> Enforced:
    return Enforced(1, ("main",), 1.0)


async def nowhere(_number: int) -> Enforced:
    raise Unreachable("control-plane-away", "no answer", "")


async def test_with_every_guard_it_is_over_at_once(stored: Site) -> None:
    assert "Every gateway refuses it already" in await signs_out(stored, everywhere)


async def test_a_gateway_that_is_late_is_named(stored: Site) -> None:
    page = await signs_out(stored, not_at_one)
    assert "Not reached within a second: main." in page
    assert "Every gateway" not in page


@pytest.mark.parametrize("times", [1, 2])
async def test_without_a_control_plane_nothing_is_promised(stored: Site, times: int) -> None:
    page = await signs_out(stored, nowhere, times)
    assert "the control plane does not answer" in page
    assert "Every gateway" not in page


async def test_without_a_guard_it_says_what_it_cannot_do(stored: Site) -> None:
    page = await signs_out(stored, None)
    assert "What signing out cannot do" in page
