"""`/.ostiary/callback`: the code becomes the two cookies of an application host.

Only for the browser that started it (the start cookie), on the host it was made for, once, within
30 s. Fed by `web`; feeds the browser.
"""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from ostiary.errors import Refused
from ostiary.identity.codes import goes_round
from ostiary.identity.cookies import clear_cookie
from ostiary.identity.directory import Door
from ostiary.identity.exchange import Redeem, Redeemed
from ostiary.identity.returns import check_return, is_start
from ostiary.identity.rotation import Ended, PlainHandle, digest
from ostiary.identity.tokens import Minted, verified
from ostiary.login.minting import minter, new_handle, session_cookies
from ostiary.login.pages import Page, words
from ostiary.login.ports import Stores
from ostiary.login.visit import Visit, redirect, respond
from ostiary.login.work import Work
from ostiary.wire import SESSION_COOKIE, START_COOKIE_PREFIX


class Callback:
    """Redeems codes."""

    def __init__(self, stores: Stores, work: Work, issuer: str) -> None:
        self._stores = stores
        self._work = work
        self._issuer = issuer

    async def redeem(self, visited: Visit) -> Response:
        """The cookies and the way to where the person wanted to go; or why not."""
        return await self._work.run(lambda: self._redeem(visited))

    def _redeem(self, visited: Visit) -> Response:
        start = visited.request.query_params.get("start", "")
        code = visited.request.query_params.get("code", "")
        door = visited.door
        if door is None or not is_start(start):
            raise _not_yours()
        if visited.cookies.get(START_COOKIE_PREFIX + start) != "1":
            raise _not_yours()
        plain = new_handle()
        redeemed = self._exchange(visited, door, code, plain)
        if isinstance(redeemed, Ended):
            refused = _REFUSALS.get(redeemed.reason, _over)
            raise refused()
        if self._goes_round(visited, redeemed):
            return respond(_round())
        host, to = check_return(redeemed.code.to, visited.directory, visited.sign_in.host)
        if host != visited.host:
            raise _over()
        done = clear_cookie(START_COOKIE_PREFIX + start)
        return redirect(to, *session_cookies(redeemed.minted, plain), done)

    def _exchange(
        self, visited: Visit, door: Door, code: str, plain: PlainHandle
    ) -> Redeemed[Minted] | Ended:
        asked = Redeem(
            digest=digest(code.encode(errors="replace")),
            host=visited.host,
            start=visited.request.query_params["start"],
            lifetimes=visited.sign_in.lifetimes,
            now=visited.now,
            plain=plain,
            address=visited.address,
        )
        mint = minter(self._stores.keys, self._issuer, door, visited.now)
        return self._stores.sessions.redeem(asked, mint)

    def _goes_round(self, visited: Visit, redeemed: Redeemed[Minted]) -> bool:
        token = visited.cookies.get(SESSION_COOKIE, "")
        claims = verified(token, self._stores.keys.published(), self._issuer)
        if claims is None or claims.get("sid") != redeemed.session.sid:
            return False
        return goes_round(redeemed.code, float(claims["iat"]), redeemed.recent, visited.now)


def _round() -> Page:
    return words(
        503,
        "Signed in, but not accepted",
        "This gateway does not accept the token you got a moment ago: its clock or its keys are "
        "out of step. Try again in a minute.",
        ("Try again", "/"),
    )


def _not_yours() -> Refused:
    return Refused(
        "start-missing",
        "this sign-in was not begun in this browser",
        "open the application again and sign in from there; cookies must be allowed",
    )


def _afresh() -> Refused:
    return Refused(
        "sign-in-afresh",
        "you are asked for a fresh sign-in since this one was begun",
        "open the application again and sign in once more",
    )


def _withdrawn() -> Refused:
    return Refused(
        "access-withdrawn",
        "access was withdrawn since this sign-in was begun",
        "ask whoever administers these applications",
    )


def _ended() -> Refused:
    return Refused(
        "session-ended",
        "this session was ended since this sign-in was begun",
        "open the application again and sign in once more",
    )


def _over() -> Refused:
    return Refused(
        "code-over",
        "this sign-in link has been used already or is too old",
        "open the application again",
    )


_REFUSALS: Final = {
    "step-up": _afresh,
    "access-withdrawn": _withdrawn,
    "session-ended": _ended,
}
