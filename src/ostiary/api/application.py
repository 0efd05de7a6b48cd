"""The admin API over HTTP: JSON in, JSON out, one bearer token.

Fed by the command line and by scripts of the operator; it asks `ports.ControlPlane` for everything.
"""

from __future__ import annotations

import dataclasses
import hmac
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from ostiary.api.ports import ControlPlane, DecisionQuery
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
            answer = _fault(
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
        return _json(await self._control_plane.status())

    async def explain(self, request: Request) -> Response:
        """`GET /v1/explain/{id}`: a list, one entry a proxy that saw the request."""
        decision = request.path_params["id"]
        found = await self._control_plane.explain(decision)
        if not found:
            return _fault(
                404,
                "not-recorded",
                f"the decision {decision} is not recorded",
                "it may be too old, mistyped, or a dropped entry: see `ostiary status`",
            )
        return _json(found)

    async def effective(self, request: Request) -> Response:
        """`GET /v1/effective/{route}`."""
        name = request.path_params["route"]
        found = await self._control_plane.effective(name)
        if found is None:
            return _fault(404, "route-unknown", f"the accepted revision has no route {name!r}")
        return _json(found)

    async def decisions(self, request: Request) -> Response:
        """`GET /v1/decisions?limit=&route=&subject=&denied=true`."""
        query = _query(request)
        found = await self._control_plane.decisions(query)
        return _json([record._asdict() for record in found])

    async def users(self, _request: Request) -> Response:
        """`GET /v1/users`."""
        return _json(await self._control_plane.users())

    async def add_user(self, request: Request) -> Response:
        """`POST /v1/users`: 201 and the account."""
        new = NewUser.model_validate_json(await _body(request))
        made = await self._control_plane.add_user(new.name, new.email, new.groups, new.password)
        return _json(made, 201)

    async def disable_user(self, request: Request) -> Response:
        """`POST /v1/users/{name}/disable`."""
        return _json(await self._control_plane.disable_user(request.path_params["name"]))

    async def join_token(self, request: Request) -> Response:
        """`POST /v1/join-tokens`: 201 and the token, which is shown this once."""
        new = NewJoinToken.model_validate_json(await _body(request))
        return _json(await self._control_plane.join_token(new.proxy), 201)


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
        Route("/v1/users/{name}/disable", answers.disable_user, methods=post),
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


async def _body(request: Request) -> bytes:
    """The body, if it is not larger than any honest one."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > LARGEST_BODY:
            raise HTTPException(413, f"a body has at most {LARGEST_BODY} bytes")
        parts.append(part)
    return b"".join(parts)


async def _said(_request: Request, error: OstiaryError) -> Response:
    match error:
        case Refused(code=code, message=message, hint=hint):
            return _fault(404 if code.endswith("-unknown") else 409, code, message, hint)
        case Unreachable(code=code, message=message, hint=hint):
            return _fault(503, code, message, hint)
        case ConfigError(code=code, message=message, hint=hint):
            return _fault(422, code, message, hint)
        case _:
            _log.error("admin API failed", exc_info=error)
            return _fault(500, "internal", str(error))


async def _misshapen(_request: Request, error: ValidationError) -> Response:
    faults = "; ".join(
        f"{'.'.join(str(part) for part in fault['loc']) or 'body'}: {fault['msg']}"
        for fault in error.errors(include_input=False, include_url=False)
    )
    return _fault(422, "body-misshapen", faults)


async def _http(_request: Request, error: HTTPException) -> Response:
    return _fault(error.status_code, "http", error.detail)


def _json(value: Any, status: int = 200) -> Response:
    return JSONResponse(plain(value), status, headers={"cache-control": "no-store"})


def plain(value: Any) -> Any:
    """`value` with every dataclass in it as a dict, ready for JSON."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(one) for one in value]
    return value


def _fault(status: int, code: str, message: str, hint: str = "") -> JSONResponse:
    body = {"error": {"code": code, "message": message, "hint": hint}}
    return JSONResponse(body, status, headers={"cache-control": "no-store"})
