"""Sign-ins that have begun but not ended, kept by the browser in one sealed cookie.

Nothing is written on our side before somebody has proved who they are. One cookie holds several,
so that parallel tabs do not disturb each other; the oldest makes room. Fed by `login`.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final, Protocol

from ostiary.errors import Refused

PENDING_LIFETIME: Final = 600.0
MOST: Final = 8
"""Sign-ins that can be pending in one browser."""
_BYTES: Final = 2700
"""JSON that still fits a cookie of 4,096 characters when sealed and encoded."""


class Sealing(Protocol):
    """What `store.seal.Seal` does."""

    def seal(self, secret: bytes, name: str) -> bytes:
        """`secret`, readable only under `name`."""

    def open(self, sealed: bytes, name: str) -> bytes:
        """What was sealed under `name`, else `Refused`."""


@dataclass(frozen=True, slots=True)
class SignInPending:
    """One tab that is signing in. `host`, `to` and `start` are empty when no application asked."""

    begun: float
    start: str = ""
    host: str = ""
    to: str = ""


Pending = Mapping[str, SignInPending]
"""By state, the random word in the form's hidden field; oldest first."""


def seal_pending(pending: Pending, seal: Sealing, host: str) -> str:
    """The cookie value; the oldest are left out when there are too many or they are too long."""
    kept = list(pending.items())[-MOST:]
    while len(text := _dump(kept)) > _BYTES and len(kept) > 1:
        kept.pop(0)
    return base64.urlsafe_b64encode(seal.seal(text, _name(host))).decode()


def open_pending(cookie: str | None, seal: Sealing, host: str, now: float) -> Pending:
    """The sign-ins still pending; none when the cookie is absent, forged or of another host."""
    if not cookie:
        return {}
    try:
        text = seal.open(base64.b64decode(cookie, altchars=b"-_", validate=True), _name(host))
    except (Refused, binascii.Error, ValueError):
        return {}
    found = {state: SignInPending(**row) for state, row in json.loads(text).items()}
    return {s: one for s, one in found.items() if now - one.begun <= PENDING_LIFETIME}


def _dump(pending: list[tuple[str, SignInPending]]) -> bytes:
    return json.dumps({state: asdict(one) for state, one in pending}).encode()


def _name(host: str) -> str:
    return f"pending sign-ins at {host}"
