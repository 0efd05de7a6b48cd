"""Programs on the slow path: the first use of a credential on a host, and what the rules refuse.

The guard has verified the credential, and here it is verified once more, by the same engine: so no
edge can make us sign an assertion for somebody. A key that nobody knows yet is fetched, at most
once in a while for each issuer. Fed by `check`; feeds the proxy through `replies`.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from importlib import import_module
from threading import BoundedSemaphore, Lock
from typing import Any, Final

import structlog

from ostiary.errors import OstiaryError, Refused
from ostiary.identity.api_keys import digest
from ostiary.identity.directory import Door
from ostiary.identity.issuers import NO_KEYS, Issuer, read_issuers, terms
from ostiary.identity.machine import LIFETIME, Shown, mint_machine
from ostiary.login import replies
from ostiary.login.asked import Asked, Machine
from ostiary.login.minting import new_id
from ostiary.login.ports import KeySetsPort, Stores
from ostiary.login.refusal import refusal
from ostiary.plan.policy import PolicyRecord
from ostiary.policy.decide import decide
from ostiary.policy.rules import Allow, Deny, Identity, Inputs
from ostiary.protos.messages import auth
from ostiary.wire import ISSUERS_TEXT

FETCHES: Final = 3
FETCHES_PER: Final = 30.0
"""Seconds in which tokens may cause so many fetches of one issuer's keys."""
PROGRAMS: Final = 24
"""Threads for questions about programs."""
_WAITING: Final = 20
"""Of those, how many may wait for an issuer: what one gateway lets through in a second."""
_ENGINE: Final = "ostiary_guard"
_UNKNOWN_KEY: Final = "token-unknown-key"
_log = structlog.get_logger(__name__)


class NotValid(Exception):
    """The credential counts for nothing; the text is the code of the log."""


class Machines:
    """Answers for programs. `clock` gives seconds since the epoch."""

    def __init__(self, stores: Stores, issuer: str, clock: Callable[[], float]) -> None:
        self._stores = stores
        self._issuer = issuer
        self._clock = clock
        self._fetched: dict[str, list[float]] = {}
        self._locks: defaultdict[str, Lock] = defaultdict(Lock)
        self._waiting = BoundedSemaphore(_WAITING)

    def answer(
        self, asked: Asked, shown: Machine, door: Door, record: PolicyRecord
    ) -> auth.CheckResponse:
        """Passes with a hand-over if the rules allow it, else says why not."""
        now = self._clock()
        try:
            found = self._verify(shown, door, record, now)
        except NotValid as error:
            _log.info("credential refused", decision=asked.decision, reason=str(error))
            return replies.challenged(asked, str(error))
        identity = Identity(found.user, found.email, found.groups)
        inputs = Inputs(asked.method, asked.bare_path, identity, asked.risk)
        decision = decide(record.levels, inputs)
        if isinstance(decision, Allow):
            key = self._stores.keys.current()
            return replies.passed(
                mint_machine(key, self._issuer, found, door, now=now, assertion_id=new_id()), ()
            )
        if not isinstance(decision, Deny):
            return replies.challenged(asked, "sign-in-needed")
        values = {
            "refusal": refusal(decision),
            "account": found.user,
            "method": asked.method,
            "path": asked.bare_path,
            "sign_out": "",
        }
        return replies.refused(asked, values)

    def _verify(self, shown: Machine, door: Door, record: PolicyRecord, now: float) -> Shown:
        accepted = json.loads(record.credentials or "{}")
        if shown.kind == "api-key":
            if not accepted.get("api_keys"):
                raise NotValid("credential-scheme")
            return self._look_up(shown.text, door, now)
        return self._verify_token(shown, door, accepted.get("bearer", {}), now)

    def _look_up(self, text: str, door: Door, now: float) -> Shown:
        """The key works, and so does the account that owns it."""
        keys = self._stores.api_keys
        key = None if keys is None else keys.find(digest(text))
        if key is None or not key.holds(now):
            raise NotValid("key-unknown")
        groups, email = key.groups, ""
        if key.owner:
            account = self._stores.accounts.find(key.owner)
            if account is None or account.disabled:
                raise NotValid("key-owner")
            groups, email = account.groups, account.email
        return Shown(
            kind="api-key",
            issuer="api-key",
            user=key.user,
            email=email,
            groups=frozenset(groups) & door.sign_in.group_names,
            scopes=key.scopes,
            auth_time=int(now),
            amr=(),
            expires=int(key.expires or now + LIFETIME),
            sha256=key.sha256,
        )

    def _verify_token(
        self, shown: Machine, door: Door, accepted: dict[str, list[str]], now: float
    ) -> Shown:
        issuer = self._issuers().get(shown.issuer)
        if issuer is None or shown.issuer not in accepted:
            raise NotValid("token-issuer")
        audiences = {shown.issuer: accepted[shown.issuer]}
        keys = self._keys(issuer)
        try:
            said = _verify(shown.text, issuer, keys, audiences, now)
        except NotValid as error:
            if str(error) != _UNKNOWN_KEY:
                raise
            fresh = self._newer(issuer, keys, now)
            said = _verify(shown.text, issuer, fresh, audiences, now)
        return Shown(
            kind=shown.kind,
            issuer=said.issuer,
            user=said.user,
            email=said.email,
            groups=frozenset(said.groups) & door.sign_in.group_names,
            scopes=tuple(said.scopes),
            auth_time=int(now) if said.auth_time is None else said.auth_time,
            amr=tuple(said.amr),
            expires=said.expires,
            sha256=said.sha256,
        )

    def _issuers(self) -> Any:
        return read_issuers(self._stores.site.get(ISSUERS_TEXT) or "[]")

    def _keys(self, issuer: Issuer) -> str:
        key_sets = self._stores.key_sets
        return NO_KEYS if key_sets is None else key_sets.known(issuer)

    def _newer(self, issuer: Issuer, known: str, now: float) -> str:
        """Keys that are newer than `known`: of this moment, or as somebody else has just got them.

        One fetches and the others wait for it, so that at a rotation none of them is refused. An
        issuer that does not answer holds up so many questions and no more.
        """
        key_sets = self._stores.key_sets
        if key_sets is None:
            raise NotValid(_UNKNOWN_KEY)
        if not self._waiting.acquire(blocking=False):
            raise Refused("keys-awaited", "keys of an issuer are being fetched", "try again soon")
        try:
            with self._locks[issuer.name]:
                found = key_sets.known(issuer)
                return found if found != known else self._fetch(key_sets, issuer, now)
        finally:
            self._waiting.release()

    def _fetch(self, key_sets: KeySetsPort, issuer: Issuer, now: float) -> str:
        before = self._fetched.get(issuer.name, [])
        recent = [one for one in before if now - one < FETCHES_PER]
        self._fetched[issuer.name] = recent
        if len(recent) >= FETCHES:
            raise NotValid(_UNKNOWN_KEY)
        recent.append(now)
        try:
            return key_sets.fetch(issuer)
        except OstiaryError as error:
            _log.warning("keys not fetched", issuer=issuer.name, error=str(error))
            raise NotValid(_UNKNOWN_KEY) from error


def _verify(
    token: str, issuer: Issuer, keys: str, audiences: dict[str, list[str]], now: float
) -> Any:
    """By the guard's own engine, so that both always say the same."""
    engine: Any = import_module(_ENGINE)
    known = json.dumps({issuer.name: terms(issuer, keys)})
    try:
        return engine.verify_bearer(token.encode("latin-1", "replace"), known, audiences, int(now))
    except ValueError as error:
        raise NotValid(str(error)) from error
