"""The slow path: what becomes of a request that the shadow rules denied.

Silent refresh, refusal page, a way back to sign-in, or a plain no. It runs in a thread, asks the
store twice or thrice and calls nobody else. Fed by `authz`; feeds the proxy through `replies`.

Whatever is unknown here is denied in words: a host, a policy, a handle. Only a decision that
`decide` has just made on the account as it is now lets a request go on, and Envoy's enforcing
rules look at it once more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import quote

import structlog

from ostiary.errors import OstiaryError, Refused
from ostiary.identity.codes import YOUNG
from ostiary.identity.cookies import clear_cookie, read_cookies, set_cookie
from ostiary.identity.directory import Door, origin
from ostiary.identity.model import Account, why_ended
from ostiary.identity.pending import PENDING_LIFETIME
from ostiary.identity.returns import is_start, return_path
from ostiary.identity.rotation import Ended, Refresh
from ostiary.identity.tokens import groups_named
from ostiary.login import replies
from ostiary.login.asked import Asked, Caller, Token, caller
from ostiary.login.machine import Machines
from ostiary.login.minting import minter, new_secret, session_cookies
from ostiary.login.ports import Stores
from ostiary.login.refusal import refusal
from ostiary.plan.policy import PolicyRecord, load
from ostiary.policy.decide import decide
from ostiary.policy.rules import Allow, Decision, Deny, Identity, Inputs
from ostiary.protos.messages import auth
from ostiary.wire import (
    LOGOUT_PATH,
    REFRESH_COOKIE,
    SESSION_COOKIE,
    SIGN_IN_PATH,
    START_COOKIE_PREFIX,
)

_POLICIES: Final = 10_000
"""Policy records remembered; they never change."""
_NOT_OURS: Final = "This gateway asks about a host that sign-in does not know yet. Try again soon."
_NO_POLICY: Final = "The rules of this route are not known here yet. Try again in a moment."
_ROUND: Final = (
    "You are signed in, but this gateway does not accept the token you got a moment ago. "
    "Its clock or its keys are out of step; try again in a minute."
)
_SIGN_IN: Final = "Sign in to do this."
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Case:
    """One request with all that was looked up about it."""

    asked: Asked
    door: Door
    record: PolicyRecord
    handle: str | None
    now: float

    def decide(self, identity: Identity) -> Decision:
        inputs = Inputs(self.asked.method, self.asked.bare_path, identity, self.asked.risk)
        return decide(self.record.levels, inputs)

    def identity(self, account: Account) -> Identity:
        groups = groups_named(account, self.door.sign_in.group_names)
        return Identity(account.name, account.email, frozenset(groups))


class Check:
    """Answers a proxy. `clock` gives seconds since the epoch."""

    def __init__(self, stores: Stores, issuer: str, clock: Callable[[], float]) -> None:
        self._stores = stores
        self._issuer = issuer
        self._clock = clock
        self._machines = Machines(stores, issuer, clock)
        self._records = lru_cache(_POLICIES)(self._load)

    def answer(self, asked: Asked) -> auth.CheckResponse:
        """Pass, or why not; never an exception for what a client may cause."""
        try:
            return self._answer(asked)
        except Refused as error:
            status = 400 if error.code == "cookie-twice" else 503
            return replies.told(asked, status, error.code, f"{error.message}; {error.hint}.")
        except OstiaryError as error:
            _log.warning("check failed", decision=asked.decision, error=str(error))
            return replies.told(asked, 503, "login-unwell", "Sign-in cannot answer right now.")

    def _answer(self, asked: Asked) -> auth.CheckResponse:
        door = self._stores.site.directory().door(asked.host)
        if door is None:
            return replies.told(asked, 503, "host-unknown", _NOT_OURS)
        cookies = read_cookies(asked.headers.get("cookie", ""))
        record = self._records(asked.policy)
        if asked.machine is not None:
            return self._machines.answer(asked, asked.machine, door, record)
        handle = cookies.get(REFRESH_COOKIE)
        case = _Case(asked, door, record, handle, self._clock())
        if asked.session is not None:
            known = asked.session.group_set == door.sign_in.group_set
            ask = self._with_session if known else self._refresh_token
            return ask(case, asked.session)
        if asked.stale is None:
            return self._sign_in(case)
        if case.now < min(asked.stale.issued + YOUNG, asked.stale.expires):
            return replies.told(asked, 503, "token-not-accepted", _ROUND)
        return self._refresh(case, asked.stale.sid)

    def _load(self, policy: str) -> PolicyRecord:
        text = self._stores.policies.policy(policy)
        if text is None:  # raised, so that the cache does not remember what may come
            raise Refused("policy-unknown", _NO_POLICY.rstrip("."), "it comes with the next save")
        return load(text)

    def _with_session(self, case: _Case, token: Token) -> auth.CheckResponse:
        """A valid token and yet denied: refuse, unless the account has gained since."""
        told = case.decide(Identity(token.subject, token.email, token.groups))
        if isinstance(told, Allow):
            if case.now - token.issued < YOUNG:
                return replies.told(case.asked, 503, "token-not-accepted", _ROUND)
            return self._refresh(case, token.sid)
        person = self._stores.sessions.person(token.sid)
        if person is None or why_ended(*person, case.door.sign_in.lifetimes, case.now):
            return self._ended(case)
        current = case.decide(case.identity(person[1]))
        if isinstance(current, Allow):
            return self._refresh(case, token.sid)
        return self._refuse(case, current, person[1].name)

    def _refresh_token(self, case: _Case, token: Token) -> auth.CheckResponse:
        return self._refresh(case, token.sid)

    def _refresh(self, case: _Case, sid: str) -> auth.CheckResponse:
        """A new token if the session lives; then `decide` on the account as it is now."""
        if case.handle is None:
            return self._ended(case)
        refreshed = self._stores.sessions.refresh(
            Refresh(
                handle=case.handle,
                sid=sid,
                host=case.asked.host,
                lifetimes=case.door.sign_in.lifetimes,
                now=case.now,
                secret=new_secret(),
                address=case.asked.address,
            ),
            minter(self._stores.keys, self._issuer, case.door, case.now),
        )
        if isinstance(refreshed, Ended):
            _log.info("refresh refused", decision=case.asked.decision, reason=refreshed.reason)
            return self._ended(case)
        cookies = session_cookies(refreshed.minted, refreshed.plain)
        current = case.decide(case.identity(refreshed.account))
        if isinstance(current, Allow):
            return replies.passed(refreshed.minted.handover, cookies)
        return self._refuse(case, current, refreshed.account.name, cookies)

    def _refuse(
        self, case: _Case, decision: Decision, account: str, cookies: Sequence[str] = ()
    ) -> auth.CheckResponse:
        if not isinstance(decision, Deny):
            return self._sign_in(case, cookies)
        values = {
            "refusal": refusal(decision),
            "account": account,
            "method": case.asked.method,
            "path": case.asked.bare_path,
            "sign_out": f"{LOGOUT_PATH}?to={quote(return_path(case.asked.path))}",
        }
        return replies.refused(case.asked, values, cookies)

    def _ended(self, case: _Case) -> auth.CheckResponse:
        """The session is over: our cookies go, and a person may sign in again."""
        gone = (clear_cookie(SESSION_COOKIE), clear_cookie(REFRESH_COOKIE))
        return self._sign_in(case, gone)

    def _sign_in(self, case: _Case, cookies: Sequence[str] = ()) -> auth.CheckResponse:
        asked = case.asked
        start = asked.decision
        if caller(asked) is not Caller.NAVIGATION or not is_start(start):
            return replies.told(asked, 401, "sign-in-needed", _SIGN_IN, cookies)
        to = origin(asked.host, case.door.place.port) + return_path(asked.path)
        cookie = set_cookie(f"{START_COOKIE_PREFIX}{start}", "1", int(PENDING_LIFETIME))
        location = f"{case.door.sign_in.origin}{SIGN_IN_PATH}?start={start}&to={to}"
        return replies.redirected(location, (*cookies, cookie))
