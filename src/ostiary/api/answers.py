"""How the admin API reads a body and says an answer; the same for every endpoint.

Fed by `application` and `trust`.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

LARGEST_BODY: Final = 64 * 1024


async def body_of(request: Request) -> bytes:
    """The body, if it is not larger than any honest one."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > LARGEST_BODY:
            raise HTTPException(413, f"a body has at most {LARGEST_BODY} bytes")
        parts.append(part)
    return b"".join(parts)


def json(value: Any, status: int = 200) -> Response:
    """`value` as JSON that nobody keeps."""
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


def fault(status: int, code: str, message: str, hint: str = "") -> JSONResponse:
    """What is wrong, with a code, a sentence and a hint."""
    body = {"error": {"code": code, "message": message, "hint": hint}}
    return JSONResponse(body, status, headers={"cache-control": "no-store"})
