"""One-time codes: how a sign-in crosses from the sign-in host to an application host.

A code lives 30 s, works once, and only together with the host it was made for and the `start` that
the same browser holds in a cookie there; so a code that leaks, or is pushed on somebody else's
browser, opens nothing. Fed by `store`; feeds the callback of `login`.
"""

from __future__ import annotations

from typing import Final

from ostiary.identity.model import Code

CODE_BYTES: Final = 32
CODE_LIFETIME: Final = 30.0
YOUNG: Final = 10.0
"""Seconds after minting within which a token that comes back refused is a clock or key problem."""
LOOPS: Final = 3
"""Codes within `YOUNG` for one session and host that make a suspicion a finding."""


def refuse_code(code: Code, host: str, start: str, now: float) -> str | None:
    """Why `code` cannot be redeemed on `host` with `start`; None when it can."""
    if code.used is not None:
        return "code-used"
    if now - code.created > CODE_LIFETIME:
        return "code-expired"
    if code.host != host or code.start != start:
        return "code-elsewhere"
    return None


def goes_round(code: Code, token_issued: float, recent: int, now: float) -> bool:
    """True when the browser was sent to sign in although it already held a token just minted.

    `recent` counts the codes of this session and host within `YOUNG`. Then the proxy does not
    accept what we sign, and another token would not change that.
    """
    return now - token_issued < YOUNG and token_issued <= code.begun and recent >= LOOPS
