"""`/.ostiary/logout`: ends the session on every host, and says what that did not reach.

Fed by `web`; feeds the store and the browser.
"""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from ostiary.errors import Unreachable
from ostiary.identity.cookies import clear_cookie
from ostiary.identity.returns import return_path
from ostiary.identity.tokens import verified
from ostiary.login.pages import page
from ostiary.login.ports import Stores
from ostiary.login.visit import Visit, check_same_origin, read_form, respond
from ostiary.login.work import Work
from ostiary.wire import LOGOUT_PATH, PENDING_COOKIE, REFRESH_COOKIE, SESSION_COOKIE, SSO_COOKIE

_FORM_TYPE: Final = "application/x-www-form-urlencoded"


class SignOut:
    """The confirm page and the deed."""

    def __init__(self, stores: Stores, work: Work, issuer: str) -> None:
        self._stores = stores
        self._work = work
        self._issuer = issuer

    async def ask(self, visited: Visit) -> Response:
        """Nothing has happened yet: a link alone signs nobody out."""
        to = _elsewhere(visited.request.query_params.get("to", "/"))
        return respond(page("sign-out", action=LOGOUT_PATH, to=to))

    async def end(self, visited: Visit) -> Response:
        """The session is dead in the store, and this browser has no cookie of it."""
        check_same_origin(visited, needs_proof=True)
        kind = visited.request.headers.get("content-type", "")
        fields = await read_form(visited.request) if kind.startswith(_FORM_TYPE) else {}
        number = await self._work.run(lambda: self._kill(visited))
        ours = (SSO_COOKIE, PENDING_COOKIE)
        if visited.door is not None:
            ours = (SESSION_COOKIE, REFRESH_COOKIE)
        guarded, late = await self._enforced(number)
        found = page(
            "signed-out",
            seconds=visited.sign_in.lifetimes.token,
            guarded=guarded,
            late=late,
            to=_elsewhere(fields.get("to", "/")),
        )
        return respond(found, *(clear_cookie(name) for name in ours))

    async def _enforced(self, number: int | None) -> tuple[bool, str]:
        """Whether guards enforce it, and who does not yet, in words."""
        enforce = self._stores.enforce
        if enforce is None:
            return False, ""
        if number is None:  # there was no session whose tokens could count
            return True, ""
        try:
            reached = await enforce(number)
        except Unreachable:
            return True, "the gateways, for the control plane does not answer"
        return True, ", ".join(reached.late)

    def _kill(self, visited: Visit) -> int | None:
        name = SSO_COOKIE if visited.door is None else REFRESH_COOKIE
        sid = self._stores.sessions.owner(visited.cookies.get(name, ""))
        if sid is None:
            token = visited.cookies.get(SESSION_COOKIE, "")
            claims = verified(token, self._stores.keys.published(), self._issuer)
            sid = claims["sid"] if claims is not None and claims["host"] == visited.host else None
        if sid is None:
            return None
        return self._stores.sessions.kill(sid, "signed-out", visited.now)


def _elsewhere(to: str) -> str:
    """A path on this host. `//x` would be another host, so it is not one."""
    return "/" if to.startswith("//") else return_path(to)
