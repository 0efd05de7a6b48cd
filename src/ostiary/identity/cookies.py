"""Cookies: one parser that reads them as Envoy does, and the only way we set them.

A cookie of ours that arrives twice is refused: two readers could disagree about which one counts
(RFC 6265bis, section 5.6.3 leaves the order to the browser).
"""

from __future__ import annotations

from collections.abc import Mapping

from ostiary.errors import Refused
from ostiary.wire import COOKIE_PREFIX


def read_cookies(header: str) -> Mapping[str, str]:
    """Name to value, the first of a name wins; `Refused` when one of ours comes twice."""
    found: dict[str, str] = {}
    for pair in header.split(";"):
        name, equals, value = pair.strip(" \t").partition("=")
        if not equals or not name:
            continue
        if name not in found:
            found[name] = _unquote(value)
        elif name.startswith(COOKIE_PREFIX):
            raise Refused(
                "cookie-twice",
                "the request carries one of our cookies twice",
                "delete the cookies of this site and sign in again",
            )
    return found


def set_cookie(name: str, value: str, max_age: int) -> str:
    """A `Set-Cookie` value under the `__Host-` rules; `max_age` in seconds."""
    if not name.startswith(COOKIE_PREFIX):
        raise ValueError(f"{name} is not a cookie of ours")
    return f"{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={max_age}"


def clear_cookie(name: str) -> str:
    """A `Set-Cookie` value after which the browser has no such cookie."""
    return set_cookie(name, "", 0)


def _unquote(value: str) -> str:
    # Envoy takes one pair of double quotes away; so must whoever reads the same cookie.
    if len(value) > 1 and value[0] == value[-1] == '"':
        return value[1:-1]
    return value
