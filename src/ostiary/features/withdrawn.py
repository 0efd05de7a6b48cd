"""What is said when the guard refuses: that trust was withdrawn, since when, and what to do.

Three values may be told, all from what the guard wrote itself: a reason code, a time and a risk.
Who gave the verdict and why is for administrators, in `explain`. People who navigate get a page,
programs JSON; gRPC clients get their trailers from the guard, which never come here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ostiary.features.fragment import ListenerSite
from ostiary.features.replies import (
    DECISION,
    JSON,
    NO_SCRIPT,
    NO_STORE,
    PAGE,
    STYLE,
    Reply,
    both,
    challenge,
    config,
    details,
    flagged,
    navigation,
    to_sign_in,
    worded,
)
from ostiary.protos.messages import hcm
from ostiary.wire import COOKIE_PREFIX, REASON_KEY, SINCE_KEY, TRUST_METADATA

_REASON: Final = f"%DYNAMIC_METADATA({TRUST_METADATA}:{REASON_KEY})%"
_SINCE: Final = f"%DYNAMIC_METADATA({TRUST_METADATA}:{SINCE_KEY})%"
"""Made by the guard: a code of lower-case letters, digits and -, and a time of RFC 3339."""
_FRESHER: Final = ("www-authenticate", 'Bearer error="insufficient_user_authentication"')
"""RFC 9470, section 3."""


@dataclass(frozen=True, slots=True)
class _Withdrawal:
    """One of the guard's reasons to refuse, in words."""

    details: str
    status: int
    code: str
    """What a program compares."""
    title: str
    sentence: str
    remedy: str


_DENIED: Final = _Withdrawal(
    "ostiary.trust_denied",
    403,
    "trust-withdrawn",
    "Access was withdrawn",
    "Access from this account, device or address was withdrawn.",
    "Ask the administrator of this application, and name the decision below.",
)
_STEP_UP: Final = _Withdrawal(
    "ostiary.trust_step_up",
    401,
    "sign-in-again",
    "Sign in again",
    "This sign-in does not count any more.",
    "Sign in again; the sign-in host asks for it even where you are signed in.",
)
_ENDED: Final = _Withdrawal(
    "ostiary.session_ended",
    401,
    "session-ended",
    "The session has ended",
    "This session has ended.",
    "Sign in again.",
)
_LIMITED: Final = _Withdrawal(
    "ostiary.trust_limited",
    429,
    "trust-limited",
    "Too many requests",
    "This account, device or address may ask only now and then.",
    "Retry-After says when to come back.",
)


def guard_replies(listener: ListenerSite) -> hcm.LocalReplyConfig:
    """The replies of an edge listener whose proxy has the guard."""
    return config([*_of_a_person(listener), *_ALWAYS, _NOWHERE])


def mini_guard_replies() -> hcm.LocalReplyConfig:
    """The replies of a mini gateway that has the guard; nobody navigates to one."""
    return config(
        [*(_for_programs(one) for one in (_DENIED, _STEP_UP, _ENDED, _LIMITED)), *_ALWAYS]
    )


def _of_a_person(listener: ListenerSite) -> Iterator[Reply]:
    """A person who has to sign in, again or afresh, is sent there as a stranger is."""
    sign_in = listener.sign_in.origin if listener.sign_in else ""
    if sign_in:
        for one in (_ENDED, _STEP_UP):
            person = both(details(one.details), navigation())
            yield Reply(person, 302, "", headers=to_sign_in(listener, sign_in))
    for one in (_DENIED, _STEP_UP, _ENDED, _LIMITED):
        yield _for_people(one)
        yield _for_programs(one, sign_in)


def _for_people(one: _Withdrawal) -> Reply:
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{one.title}</title>'
        f"<style>{STYLE}</style></head><body><main><h1>{one.title}</h1><p>{one.sentence}</p>"
        f'<dl><dt>Since</dt><dd id="since">{_SINCE}</dd>'
        f'<dt>Reason</dt><dd id="reason">{_REASON}</dd>'
        f'<dt>What can be done</dt><dd class="remedy">{one.remedy}</dd>'
        f'<dt>Decision</dt><dd><code id="decision">{DECISION}</code></dd></dl></main>'
        f"</body></html>\n"
    )
    seen = both(details(one.details), navigation())
    return Reply(seen, one.status, page, PAGE, [NO_STORE, NO_SCRIPT])


def _for_programs(one: _Withdrawal, sign_in: str = "") -> Reply:
    text = (
        f'{{"error":"{one.code}","message":"{one.sentence} {one.remedy}",'
        f'"reason":"{_REASON}","since":"{_SINCE}","decision":"{DECISION}"}}\n'
    )
    asks = [challenge(sign_in)] if sign_in and one is _ENDED else []
    asks += [_FRESHER] if one is _STEP_UP else []
    return Reply(details(one.details), one.status, text, JSON, [NO_STORE, *asks])


def _plain(reason: str, status: int, title: str, sentence: str) -> Reply:
    return Reply(details(reason), status, worded(f"{status} {title}", sentence))


def _credential(reason: str, status: int, code: str, sentence: str) -> Reply:
    """What a program reads (RFC 6750, section 3); the guard has set the challenge."""
    text = (
        f'{{"error":"{code}","message":"{sentence}","reason":"{_REASON}",'
        f'"decision":"{DECISION}"}}\n'
    )
    return Reply(details(reason), status, text, JSON, [NO_STORE])


_ALWAYS: Final = [
    _plain(
        "ostiary.trust_stale",
        503,
        "Service Unavailable",
        "this gateway has not heard for a while whether trust was withdrawn, and this route asks "
        "for that. Repeat the request in a moment.",
    ),
    _plain(
        "ostiary.trust_full",
        503,
        "Service Unavailable",
        "this gateway cannot hold all withdrawals of trust, and this route asks for that.",
    ),
    _plain(
        "ostiary.cookies_twice",
        400,
        "Bad Request",
        f"this request has two cookies named {COOKIE_PREFIX}...; delete the cookies of this host "
        "and sign in again.",
    ),
    _credential(
        "ostiary.credential_twice",
        400,
        "invalid_request",
        "This request shows two credentials in Authorization; show one.",
    ),
    _credential(
        "ostiary.credential_invalid",
        401,
        "invalid_token",
        "This credential is not valid here, for the reason given; get a new one from its issuer.",
    ),
    _credential(
        "ostiary.credential_missing",
        401,
        "credential-required",
        "This request shows no credential, and the rules of this address ask who it is from.",
    ),
    _plain(
        "ostiary.guard_failed",
        500,
        "Internal Server Error",
        "this request could not be checked, so it goes nowhere.",
    ),
]
_NOWHERE: Final = Reply(
    flagged("NR"), 404, worded("404 Not Found", "no route has this host, path and method.")
)
