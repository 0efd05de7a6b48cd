"""Answers to a proxy: pass with a hand-over, or a denied response in the caller's own form.

Fed by `check`; feeds `authz`. A gRPC caller gets a status that Envoy turns into trailers (401
becomes 16, 403 becomes 7) and one sentence, never a redirect.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from ostiary.login.asked import Asked, Caller, caller, wants_html
from ostiary.login.pages import Page, page, words
from ostiary.protos.messages import auth, core, rpc, types
from ostiary.wire import HANDOVER_HEADER

_PERMISSION_DENIED: Final = 7
_TITLES: Final = {400: "Bad request", 401: "Sign in", 403: "Not allowed", 503: "Not now"}


def passed(handover: str, cookies: Sequence[str]) -> auth.CheckResponse:
    """The request goes on to the enforcing rules with `handover`; `cookies` reach the browser."""
    return auth.CheckResponse(
        status=rpc.Status(code=0),
        ok_response=auth.OkHttpResponse(
            headers=[_set(HANDOVER_HEADER, handover)],
            response_headers_to_add=[
                *_cookies(cookies),
                _set("cache-control", "private, no-store"),
            ],
        ),
    )


def told(
    asked: Asked, status: int, code: str, text: str, cookies: Sequence[str] = ()
) -> auth.CheckResponse:
    """A short refusal: one sentence, as a page, as JSON or as a gRPC message."""
    if caller(asked) is Caller.GRPC:
        return _denied(status, text, (), cookies)
    if wants_html(asked):
        return paged(words(status, _TITLES.get(status, "Not allowed"), text), cookies)
    body = {"error": code, "message": text, "decision": asked.decision}
    return _json(status, body, cookies)


def challenged(asked: Asked, code: str) -> auth.CheckResponse:
    """The credential of a program counts for nothing (RFC 6750, section 3)."""
    text = "This credential is not valid here."
    if caller(asked) is Caller.GRPC:
        return _denied(401, f"{text} ({code})", (), ())
    body = {"error": "invalid_token", "message": text, "reason": code, "decision": asked.decision}
    headers = [
        ("content-type", "application/json"),
        ("cache-control", "private, no-store"),
        ("www-authenticate", f'Bearer error="invalid_token", error_description="{code}"'),
    ]
    return _denied(401, json.dumps(body), headers, ())


def unwell() -> auth.CheckResponse:
    """A refusal for when nothing of the request could be read."""
    return _json(503, {"error": "login-unwell", "message": "Sign-in cannot answer right now."}, ())


def refused(
    asked: Asked, values: dict[str, Any], cookies: Sequence[str] = ()
) -> auth.CheckResponse:
    """The refusal page, or the same in JSON; `values` as the template `refused` takes them."""
    found = values["refusal"]
    if caller(asked) is Caller.GRPC:
        return _denied(403, f"{found.decided}: {found.missing[0]}", (), cookies)
    if wants_html(asked):
        return paged(page("refused", 403, decision=asked.decision, **values), cookies)
    body = {
        "error": "access-denied",
        "message": f"{values['account']} may not {asked.method} this",
        "rule": found.rule,
        "level": found.level,
        "missing": list(found.missing),
        "what_can_be_done": list(found.remedies),
        "decision": asked.decision,
    }
    return _json(403, body, cookies)


def redirected(location: str, cookies: Sequence[str]) -> auth.CheckResponse:
    """The browser goes to `location`."""
    headers = [
        ("location", location),
        ("cache-control", "private, no-store"),
        ("referrer-policy", "no-referrer"),
    ]
    return _denied(302, "", headers, cookies)


def paged(found: Page, cookies: Sequence[str]) -> auth.CheckResponse:
    """`found` as the answer."""
    return _denied(found.status, found.html, found.headers, cookies)


def _json(status: int, body: dict[str, Any], cookies: Sequence[str]) -> auth.CheckResponse:
    headers = [
        ("content-type", "application/json"),
        ("cache-control", "private, no-store"),
        ("x-content-type-options", "nosniff"),
    ]
    if status == 401:  # noqa: PLR2004  RFC 9110, section 15.5.2
        headers.append(("www-authenticate", 'Ostiary realm="sign-in"'))
    return _denied(status, json.dumps(body), headers, cookies)


def _denied(
    status: int, body: str, headers: Iterable[tuple[str, str]], cookies: Sequence[str]
) -> auth.CheckResponse:
    return auth.CheckResponse(
        status=rpc.Status(code=_PERMISSION_DENIED),
        denied_response=auth.DeniedHttpResponse(
            status=types.HttpStatus(code=status),
            headers=[*(_set(name, value) for name, value in headers), *_cookies(cookies)],
            body=body,
        ),
    )


def _cookies(values: Sequence[str]) -> list[core.HeaderValueOption]:
    return [
        core.HeaderValueOption(
            header=core.HeaderValue(key="set-cookie", value=value),
            append_action=core.HeaderValueOption.APPEND_IF_EXISTS_OR_ADD,
        )
        for value in values
    ]


def _set(name: str, value: str) -> core.HeaderValueOption:
    return core.HeaderValueOption(
        header=core.HeaderValue(key=name, value=value),
        append_action=core.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
    )
