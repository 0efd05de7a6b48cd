"""The admin API over HTTP: JSON in, JSON out, one bearer token.

Fed by the command line and by scripts of the operator; it asks `ports.ControlPlane` for everything.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from ostiary.api.answers import body_of, fault, json
from ostiary.api.api_keys import api_key_routes
from ostiary.api.ports import ControlPlane, DecisionQuery
from ostiary.api.trust import trust_routes
from ostiary.errors import ConfigError, OstiaryError, Refused, Unreachable

LARGEST_BODY: Final = 64 * 1024
MOST_DECISIONS: Final = 1_000
_log = structlog.get_logger("ostiary.api")


class NewUser(BaseModel):
    """The body of `POST /v1/users`."""

    model_config = ConfigDict(extra="forbid", strict=True)
    name: Annotated[str, Field(max_length=128)]
    email: Annotated[str, Field(max_length=254)] = ""
    groups: list[Annotated[str, Field(max_length=128)]] = Field(default=[])
    password: Annotated[str, Field(max_length=1024)]


class NewJoinToken(BaseModel):
    """The body of `POST /v1/join-tokens`."""

    model_config = ConfigDict(extra="forbid", strict=True)
    proxy: Annotated[str, Field(min_length=1, max_length=512)]


class Bearer:
    """Lets only `Authorization: Bearer <token>` through, compared in constant time."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """401 in words, or what the API answers."""
        if scope["type"] == "http" and not self._proves(scope):
            answer = fault(
                401,
                "token-wrong",
                "the admin API needs its bearer token",
                "it stands in the file that <state>/admin.json names as token_file",
            )
            answer.headers["www-authenticate"] = "Bearer"
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _proves(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        return len(given) == 1 and hmac.compare_digest(given[0], self._expected)


class Answers:
    """One method an endpoint; each asks the control plane one question."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self._control_plane = control_plane

    async def status(self, _request: Request) -> Response:
        """`GET /v1/status`."""
        return json(await self._control_plane.status())

    async def explain(self, request: Request) -> Response:
        """`GET /v1/explain/{id}`: a list, one entry a proxy that saw the request."""
        decision = request.path_params["id"]
        found = await self._control_plane.explain(decision)
        if not found:
            return fault(
                404,
                "not-recorded",
                f"the decision {decision} is not recorded",
                "it may be too old, mistyped, or a dropped entry: see `ostiary status`",
            )
        return json(found)

    async def effective(self, request: Request) -> Response:
        """`GET /v1/effective/{route}`."""
        name = request.path_params["route"]
        found = await self._control_plane.effective(name)
        if found is None:
            return fault(404, "route-unknown", f"the accepted revision has no route {name!r}")
        return json(found)

    async def decisions(self, request: Request) -> Response:
        """`GET /v1/decisions?limit=&route=&subject=&denied=true`."""
        query = _query(request)
        found = await self._control_plane.decisions(query)
        return json([record._asdict() for record in found])

    async def users(self, _request: Request) -> Response:
        """`GET /v1/users`."""
        return json(await self._control_plane.users())

    async def add_user(self, request: Request) -> Response:
        """`POST /v1/users`: 201 and the account."""
        new = NewUser.model_validate_json(await body_of(request))
        made = await self._control_plane.add_user(new.name, new.email, new.groups, new.password)
        return json(made, 201)

    async def join_token(self, request: Request) -> Response:
        """`POST /v1/join-tokens`: 201 and the token, which is shown this once."""
        new = NewJoinToken.model_validate_json(await body_of(request))
        return json(await self._control_plane.join_token(new.proxy), 201)


def application(control_plane: ControlPlane, token: str) -> ASGIApp:
    """The API as an ASGI application."""
    answers = Answers(control_plane)
    get, post = ["GET"], ["POST"]
    routes = [
        Route("/v1/status", answers.status, methods=get),
        Route("/v1/explain/{id}", answers.explain, methods=get),
        Route("/v1/effective/{route:path}", answers.effective, methods=get),
        Route("/v1/decisions", answers.decisions, methods=get),
        Route("/v1/users", answers.users, methods=get),
        Route("/v1/users", answers.add_user, methods=post),
        *trust_routes(control_plane.trust),
        *api_key_routes(control_plane.api_keys),
        Route("/v1/join-tokens", answers.join_token, methods=post),
    ]
    handlers: dict[Any, Callable[[Request, Any], Awaitable[Response]]] = {
        OstiaryError: _said,
        ValidationError: _misshapen,
        HTTPException: _http,
    }
    return Bearer(Starlette(routes=routes, exception_handlers=handlers), token)


def _query(request: Request) -> DecisionQuery:
    asked = request.query_params
    limit, denied = asked.get("limit", "50"), asked.get("denied")
    if not limit.isascii() or not limit.isdigit():
        raise HTTPException(422, "limit is a number")
    if denied not in {None, "true", "false"}:
        raise HTTPException(422, "denied is true or false")
    return DecisionQuery(
        min(int(limit), MOST_DECISIONS),
        asked.get("route"),
        asked.get("subject"),
        None if denied is None else denied == "true",
    )


async def _said(_request: Request, error: OstiaryError) -> Response:
    match error:
        case Refused(code=code, message=message, hint=hint):
            return fault(404 if code.endswith("-unknown") else 409, code, message, hint)
        case Unreachable(code=code, message=message, hint=hint):
            return fault(503, code, message, hint)
        case ConfigError(code=code, message=message, hint=hint):
            return fault(422, code, message, hint)
        case _:
            _log.error("admin API failed", exc_info=error)
            return fault(500, "internal", str(error))


async def _misshapen(_request: Request, error: ValidationError) -> Response:
    faults = "; ".join(
        f"{'.'.join(str(part) for part in fault['loc']) or 'body'}: {fault['msg']}"
        for fault in error.errors(include_input=False, include_url=False)
    )
    return fault(422, "body-misshapen", faults)


async def _http(_request: Request, error: HTTPException) -> Response:
    return fault(error.status_code, "http", error.detail)
