"""One request of a browser, as far as every page of ours needs it.

The `Host` header is the original authority: only our gateways can connect, and they set it. Fed by
`web`; feeds `signin`, `callback` and `signout`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from ostiary.errors import Refused
from ostiary.identity.cookies import read_cookies
from ostiary.identity.directory import Directory, Door, SignInHost, host_of, origin
from ostiary.login.pages import Page

BODY_LIMIT: Final = 8192
"""Bytes of a form."""
_FIELDS: Final = 16
_FORM: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Visit:
    """Who is at which of our hosts. `door` is None on a sign-in host."""

    request: Request
    host: str
    directory: Directory
    door: Door | None
    sign_in: SignInHost
    cookies: Mapping[str, str]
    now: float

    @property
    def origin(self) -> str:
        """The origin the browser sees."""
        if self.door is None:
            return self.sign_in.origin
        return origin(self.host, self.door.place.port)

    @property
    def address(self) -> str:
        """The client's address, as the gateway found it.

        The gateway strips what a client says about this; the last entry is its own.
        """
        headers = self.request.headers
        forwarded = headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
        return headers.get("x-envoy-external-address") or forwarded


def visit(request: Request, directory: Directory, now: float) -> Visit:
    """The visit behind `request`; `Refused` when the host is none of ours or a cookie is twice."""
    host = host_of(request.headers.get("host", ""))
    sign_in, door = directory.sign_in_host(host), None
    if sign_in is None and (door := directory.door(host)) is not None:
        sign_in = door.sign_in
    if sign_in is None:
        raise Refused("host-unknown", "there is no sign-in at this address", "check the address")
    cookies = read_cookies("; ".join(request.headers.getlist("cookie")))
    return Visit(request, host, directory, door, sign_in, cookies, now)


async def read_form(request: Request) -> Mapping[str, str]:
    """The form's fields, the first of a name wins; `Refused` unless it is small and well made."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise _bad_form()
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT:
            raise _bad_form()
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            encoding="utf-8",
            errors="strict",
            max_num_fields=_FIELDS,
        )
    except ValueError as error:
        raise _bad_form() from error
    return dict(reversed(pairs))


def check_same_origin(visited: Visit, *, needs_proof: bool) -> None:
    """A page of the same origin sent this; else `Refused`.

    A browser says so in `Sec-Fetch-Site`, an older one in `Origin`. With `needs_proof` silence is
    a no: cookies alone would carry the request out.
    """
    site = visited.request.headers.get("sec-fetch-site")
    sender = visited.request.headers.get("origin")
    if site is not None:
        same = site in {"same-origin", "none"}
    elif sender is not None:
        same = sender == visited.origin
    else:
        same = not needs_proof
    if same:
        return
    raise Refused("cross-site", "another site sent this form", "use the form on this page")


def respond(found: Page, *cookies: str) -> Response:
    """`found` as an HTTP answer that sets `cookies`."""
    response = Response(found.html, found.status)
    for name, value in found.headers:
        response.headers[name] = value
    return _with_cookies(response, cookies)


def redirect(location: str, *cookies: str) -> Response:
    """303 to `location`, which may bear a code: nobody keeps it and no referrer carries it on."""
    response = Response(status_code=303)
    response.headers["location"] = location
    response.headers["cache-control"] = "private, no-store"
    response.headers["referrer-policy"] = "no-referrer"
    return _with_cookies(response, cookies)


def _with_cookies(response: Response, cookies: tuple[str, ...]) -> Response:
    for cookie in cookies:
        response.headers.append("set-cookie", cookie)
    return response


def _bad_form() -> Refused:
    return Refused("form-invalid", "this form could not be read", "go back and fill it in again")
