"""The HTTP face of `login`: which page answers at which path of which kind of host.

Fed by gateways; feeds `signin`, `callback` and `signout`. What goes wrong becomes a page with one
sentence; nothing of an error's inside is shown.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ostiary.errors import OstiaryError, Refused
from ostiary.login.callback import Callback
from ostiary.login.keys import PublicKeys
from ostiary.login.pages import words
from ostiary.login.passwords import Passwords
from ostiary.login.ports import Stores
from ostiary.login.signin import SignIn
from ostiary.login.signout import SignOut
from ostiary.login.visit import Visit, respond, visit
from ostiary.login.work import Work
from ostiary.wire import CALLBACK_PATH, KEYS_PATH, LOGOUT_PATH, SIGN_IN_PATH, TRUST_KEYS_PATH

Answer = Callable[[Visit], Awaitable[Response]]
_STATUS: Final = {
    "host-unknown": 404,
    "cross-site": 403,
    "access-withdrawn": 403,
    "busy": 503,
    "no-signing-key": 503,
    "token-too-large": 503,
}
"""Of refusals that are not 400."""
_log = structlog.get_logger(__name__)


def web(
    stores: Stores, passwords: Passwords, work: Work, issuer: str, clock: Callable[[], float]
) -> Starlette:
    """The application that answers on the sign-in hosts and below `/.ostiary/`."""
    sign_in = SignIn(stores, passwords, work)
    callback = Callback(stores, work, issuer)
    sign_out = SignOut(stores, work, issuer)
    keys = PublicKeys(stores, work)

    def route(path: str, method: str, answer: Answer, *, sign_in_host: bool | None) -> Route:
        async def endpoint(request: Request) -> Response:
            directory = await work.run(stores.site.directory)
            visited = visit(request, directory, clock())
            if sign_in_host is not None and sign_in_host != (visited.door is None):
                raise HTTPException(404)
            return await answer(visited)

        return Route(path, endpoint, methods=[method])

    return Starlette(
        routes=[
            route("/", "GET", sign_in.home, sign_in_host=True),
            route(SIGN_IN_PATH, "GET", sign_in.form, sign_in_host=True),
            route(SIGN_IN_PATH, "POST", sign_in.submit, sign_in_host=True),
            route(CALLBACK_PATH, "GET", callback.redeem, sign_in_host=False),
            route(KEYS_PATH, "GET", keys.assertions, sign_in_host=None),
            route(TRUST_KEYS_PATH, "GET", keys.trust, sign_in_host=None),
            route(LOGOUT_PATH, "GET", sign_out.ask, sign_in_host=None),
            route(LOGOUT_PATH, "POST", sign_out.end, sign_in_host=None),
        ],
        exception_handlers={
            Refused: _refused,
            OstiaryError: _unwell,
            HTTPException: _nothing_here,
            Exception: _unwell,
        },
    )


async def _refused(_request: Request, error: Exception) -> Response:
    code = error.code if isinstance(error, Refused) else ""
    text = error.message if isinstance(error, Refused) else ""
    hint = error.hint if isinstance(error, Refused) else ""
    sentence = f"{text[:1].upper()}{text[1:]}. {hint[:1].upper()}{hint[1:]}."
    return respond(words(_STATUS.get(code, 400), "That did not work", sentence, ("Go on", "/")))


async def _unwell(request: Request, error: Exception) -> Response:
    _log.warning("page failed", path=request.url.path, error=str(error))
    return respond(words(503, "Not now", "Sign-in cannot answer right now. Try again in a minute."))


async def _nothing_here(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    return respond(words(status, "Nothing here", "This address leads nowhere.", ("Go on", "/")))
