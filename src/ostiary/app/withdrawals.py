"""Trust given and withdrawn by an administrator: verdicts, sessions, accounts, and who did it.

Everything is durable before it is told, and told to every guard before the answer goes out. Fed by
`api`; feeds the store and the guards.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID, uuid4

from ostiary.api.ports import AuditEntry, Given, NewVerdict, OpenSession, Reached, VerdictRow
from ostiary.app.guards import Guards
from ostiary.errors import Refused, Unreachable
from ostiary.store.accounts import Accounts
from ostiary.store.sessions import Sessions
from ostiary.trust.spelling import rate_of, seconds_of
from ostiary.trust.verdict import Effect, Kind, Verdict

T = TypeVar("T")
_PATIENCE = 10.0
"""Seconds for the store; it gives up by itself long before, unless it neither answers nor fails."""
_SOURCE = "administrator"
_EFFECTS = {str(one): one for one in Effect if one is not Effect.KNOWN}
"""That an API key exists is said by whoever makes it."""
_WHO = "administrator"
"""There is one token for the admin API, so there is one name for whoever holds it."""


@dataclass(frozen=True, slots=True)
class Withdrawals:
    """Implements `api.ports.Trust`."""

    guards: Guards
    accounts: Accounts
    sessions: Sessions
    guarded: bool
    """Whether the gateways have a guard."""

    async def put(self, new: NewVerdict) -> Given:
        """The verdict holds; whoever enforces it after a second at most is named."""
        self._need_guard()
        now = time.time()
        verdict = await self._do(lambda: self._verdict(new, now))
        seq = await self._do(lambda: self.guards.verdicts.put([verdict], _WHO, new.why, now))
        return Given(_row(verdict), await self._reached(seq))

    async def lift(self, ids: Sequence[UUID], why: str) -> Reached:
        """None of them holds any more."""
        now = time.time()
        seq = await self._do(lambda: self.guards.verdicts.lift(ids, _WHO, why, now))
        return await self._reached(seq)

    async def verdicts(self, kind: str | None, key: str | None) -> Sequence[VerdictRow]:
        """Those that hold, the newest first."""
        wanted = None if kind is None else _kind(kind)
        found = await self._do(lambda: self.guards.verdicts.all(time.time(), wanted, key))
        return [_row(one) for one in found if one.effect is not Effect.KNOWN]

    async def open_sessions(self, account: str | None) -> Sequence[OpenSession]:
        """Sessions that were not ended, the newest first."""
        found = await self._do(lambda: self.sessions.alive(account))
        return [
            OpenSession(one.sid, one.account, one.provider, one.assurance, one.created)
            for one in found
        ]

    async def kill_session(self, sid: str) -> Reached:
        """The session is dead on every host, whether or not it was before; `Refused` for none."""
        now = time.time()
        seq = await self._do(lambda: self.sessions.kill(sid, "ended-by-administrator", now))
        if seq is None:
            raise Refused(
                "session-unknown",
                f"there is no session {sid!r}",
                "`ostiary session list` names them all",
            )
        return await self._reached(seq)

    async def disable_user(self, name: str) -> Reached:
        """The account cannot sign in, its sessions are dead, and no gateway lets it pass."""
        seq = await self._do(lambda: self.accounts.disable(name, time.time(), _WHO))
        return await self._reached(seq)

    async def enable_user(self, name: str) -> Reached:
        """The account can sign in again."""
        seq = await self._do(lambda: self.accounts.enable(name, time.time(), _WHO))
        return await self._reached(seq)

    async def audit(self, most: int, verdict: str | None) -> Sequence[AuditEntry]:
        """The newest entries of the audit log."""
        found = await self._do(lambda: self.guards.verdicts.audit(most, verdict))
        return [
            AuditEntry(
                one.time,
                one.who,
                one.deed,
                one.verdict,
                one.kind,
                one.key,
                one.effect,
                one.reason,
                one.why,
            )
            for one in found
        ]

    async def _do(self, work: Callable[[], T]) -> T:
        try:
            async with asyncio.timeout(_PATIENCE):
                return await asyncio.to_thread(work)
        except TimeoutError:
            raise Unreachable(
                "store-silent",
                f"the store has not answered for {_PATIENCE:.0f} s; what was asked for may still"
                " be done once it does",
                "ask again then: `ostiary verdict list` and `ostiary audit` say what holds",
            ) from None

    async def _reached(self, seq: int) -> Reached:
        if not self.guarded:
            return Reached((), (), 0.0, guarded=False)
        receipt = await self.guards.told(seq)
        return Reached(receipt.enforced, receipt.missing, receipt.seconds, guarded=True)

    def _need_guard(self) -> None:
        if not self.guarded:
            raise Refused(
                "guard-missing",
                "nobody would enforce a verdict: the gateways run without the guard",
                "install the wheel `ostiary-guard` beside Ostiary and start again",
            )

    def _verdict(self, new: NewVerdict, now: float) -> Verdict:
        kind = _kind(new.kind)
        # A name with a colon is of an issuer or a provider, who know more users than we do.
        ours = kind is Kind.USER and ":" not in new.key
        if ours and not new.unknown_user and self.accounts.find(new.key) is None:
            raise Refused(
                "account-unknown",
                f"there is no account {new.key!r}",
                "`ostiary user list` names them all; --unknown-user takes any name",
            )
        rate, per = (0, 0.0) if new.rate is None else rate_of(new.rate)
        return Verdict(
            id=uuid4() if new.id is None else _id(new.id),
            kind=kind,
            key=new.key,
            effect=_effect(new.effect),
            reason=new.reason,
            source=_SOURCE,
            since=now,
            expires=0.0 if new.lasts is None else now + seconds_of(new.lasts),
            score=new.score or 0,
            rate=rate,
            per=per,
        )


def _kind(word: str) -> Kind:
    try:
        return Kind(word)
    except ValueError:
        raise Refused(
            "verdict-kind",
            f"a verdict cannot be about a {word!r}",
            f"it is about: {', '.join(Kind)}",
        ) from None


def _effect(word: str) -> Effect:
    try:
        return _EFFECTS[word]
    except KeyError:
        raise Refused(
            "verdict-effect", f"{word!r} is no effect", f"there are: {', '.join(_EFFECTS)}"
        ) from None


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Refused("verdict-id", f"{text!r} is no id of a verdict", "an id is a UUID") from None


def _row(one: Verdict) -> VerdictRow:
    return VerdictRow(
        str(one.id),
        one.kind,
        one.key,
        one.effect,
        one.reason,
        one.source,
        one.since,
        one.expires or None,
        one.score,
        one.rate,
        one.per,
    )
