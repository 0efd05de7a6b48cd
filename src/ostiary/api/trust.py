"""Trust over the admin API: verdicts, sessions, disabled accounts, the audit log.

Every change answers with who enforces it already. Fed by the command line and by scripts.
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ostiary.api.answers import body_of, json
from ostiary.api.ports import NewVerdict, Trust

MOST_ENTRIES = 1_000
_Word = Annotated[str, Field(max_length=64)]


class VerdictBody(BaseModel):
    """The body of `POST /v1/verdicts`."""

    model_config = ConfigDict(extra="forbid", strict=True)
    kind: _Word
    key: Annotated[str, Field(max_length=1024)]
    effect: _Word = "deny"
    reason: _Word = "administrator"
    lasts: _Word | None = None
    score: Annotated[int, Field(ge=0, le=100)] | None = None
    rate: _Word | None = None
    why: Annotated[str, Field(max_length=1024)] = ""
    id: _Word | None = None
    unknown_user: bool = False


class _Answers:
    def __init__(self, trust: Trust) -> None:
        self._trust = trust

    async def put(self, request: Request) -> Response:
        """`POST /v1/verdicts`: 201, the verdict, and who enforces it."""
        body = VerdictBody.model_validate_json(await body_of(request))
        return json(await self._trust.put(NewVerdict(**body.model_dump())), 201)

    async def verdicts(self, request: Request) -> Response:
        """`GET /v1/verdicts?kind=&key=`."""
        asked = request.query_params
        return json(list(await self._trust.verdicts(asked.get("kind"), asked.get("key"))))

    async def lift(self, request: Request) -> Response:
        """`DELETE /v1/verdicts/{id}?why=`."""
        try:
            one = UUID(request.path_params["id"])
        except ValueError:
            raise HTTPException(422, "the id of a verdict is a UUID") from None
        return json(await self._trust.lift([one], request.query_params.get("why", "")))

    async def sessions(self, request: Request) -> Response:
        """`GET /v1/sessions?account=`."""
        return json(list(await self._trust.open_sessions(request.query_params.get("account"))))

    async def kill(self, request: Request) -> Response:
        """`DELETE /v1/sessions/{sid}`."""
        return json(await self._trust.kill_session(request.path_params["sid"]))

    async def disable(self, request: Request) -> Response:
        """`POST /v1/users/{name}/disable`."""
        return json(await self._trust.disable_user(request.path_params["name"]))

    async def enable(self, request: Request) -> Response:
        """`POST /v1/users/{name}/enable`."""
        return json(await self._trust.enable_user(request.path_params["name"]))

    async def audit(self, request: Request) -> Response:
        """`GET /v1/audit?limit=&verdict=`."""
        limit = request.query_params.get("limit", "50")
        if not limit.isascii() or not limit.isdigit():
            raise HTTPException(422, "limit is a number")
        most = min(int(limit), MOST_ENTRIES)
        return json(list(await self._trust.audit(most, request.query_params.get("verdict"))))


def trust_routes(trust: Trust) -> list[Route]:
    """Every endpoint of this file."""
    answers = _Answers(trust)
    get, post, delete = ["GET"], ["POST"], ["DELETE"]
    return [
        Route("/v1/verdicts", answers.verdicts, methods=get),
        Route("/v1/verdicts", answers.put, methods=post),
        Route("/v1/verdicts/{id}", answers.lift, methods=delete),
        Route("/v1/sessions", answers.sessions, methods=get),
        Route("/v1/sessions/{sid}", answers.kill, methods=delete),
        Route("/v1/users/{name}/disable", answers.disable, methods=post),
        Route("/v1/users/{name}/enable", answers.enable, methods=post),
        Route("/v1/audit", answers.audit, methods=get),
    ]
