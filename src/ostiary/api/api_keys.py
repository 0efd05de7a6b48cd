"""API keys over the admin API. The text of a key is in the answer that makes it, and nowhere else.

Fed by the command line and by scripts.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ostiary.api.answers import body_of, json
from ostiary.api.ports import ApiKeys, NewApiKey

_Word = Annotated[str, Field(max_length=256)]
_Words = Annotated[list[_Word], Field(max_length=100)]


class KeyBody(BaseModel):
    """The body of `POST /v1/keys`."""

    model_config = ConfigDict(extra="forbid", strict=True)
    name: _Word
    owner: _Word = ""
    groups: _Words = []
    scopes: _Words = []
    lasts: _Word | None = None


class RotateBody(BaseModel):
    """The body of `POST /v1/keys/{id}/rotate`."""

    model_config = ConfigDict(extra="forbid", strict=True)
    overlap: _Word = "1h"


class _Answers:
    def __init__(self, keys: ApiKeys) -> None:
        self._keys = keys

    async def create(self, request: Request) -> Response:
        """`POST /v1/keys`: 201, what is known of it, its text, and who knows it."""
        body = KeyBody.model_validate_json(await body_of(request))
        return json(await self._keys.create(NewApiKey(**body.model_dump())), 201)

    async def keys(self, request: Request) -> Response:  # noqa: ARG002  nothing is asked
        """`GET /v1/keys`."""
        return json(list(await self._keys.keys()))

    async def rotate(self, request: Request) -> Response:
        """`POST /v1/keys/{id}/rotate`."""
        body = RotateBody.model_validate_json(await body_of(request))
        return json(await self._keys.rotate(request.path_params["id"], body.overlap), 201)

    async def revoke(self, request: Request) -> Response:
        """`DELETE /v1/keys/{id}`."""
        return json(await self._keys.revoke(request.path_params["id"]))


def api_key_routes(keys: ApiKeys) -> list[Route]:
    """Every endpoint of this file."""
    answers = _Answers(keys)
    return [
        Route("/v1/keys", answers.keys, methods=["GET"]),
        Route("/v1/keys", answers.create, methods=["POST"]),
        Route("/v1/keys/{id}/rotate", answers.rotate, methods=["POST"]),
        Route("/v1/keys/{id}", answers.revoke, methods=["DELETE"]),
    ]
