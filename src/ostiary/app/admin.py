"""The running control plane as the admin API asks for it (`api.ports.ControlPlane`).

Fed by `control_plane`; feeds `api`. Everything that touches the store runs in a worker thread.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ostiary.api.ports import (
    AddressStatus,
    DecisionQuery,
    GatewayStatus,
    JoinToken,
    LogStatus,
    ProxyStatus,
    Red,
    RevisionStatus,
    Status,
    User,
)
from ostiary.app.api_keys import KeyRing
from ostiary.app.guards import Guards
from ostiary.app.installation import Installation
from ostiary.app.key_sets import KeySets
from ostiary.app.ledger import Ledger
from ostiary.app.rotation import Rotation
from ostiary.app.spec import specs_of
from ostiary.app.ticket import Ticket
from ostiary.app.withdrawals import Withdrawals
from ostiary.authority.issuer import Authority
from ostiary.authority.serving import ServingSecrets
from ostiary.errors import OstiaryError, Refused, Unreachable
from ostiary.identity.model import Account
from ostiary.language.nearest import did_you_mean
from ostiary.login.passwords import hash_password
from ostiary.plan.effective import Effective, effective, route_names
from ostiary.plan.explain import Deed, Explanation, explain_all
from ostiary.plan.model import Gateway, Plan
from ostiary.plan.policy import PolicyRecord, load
from ostiary.plan.record import DecisionRecord
from ostiary.proxy.guard import installed
from ostiary.signals.writer import Writer
from ostiary.store.accounts import Accounts
from ostiary.store.decisions import Counts, Decisions
from ostiary.store.revisions import Revisions
from ostiary.xds.server import XdsServer

TOKEN_LIFE = 600.0
"""Seconds a join token is good for; `authority` counts the same."""
LOG_PATIENCE = 1.5
"""Seconds a proxy may hold back log entries before it sends them together."""
_DEEDS = 50
"""Entries of the audit log that are read about one verdict."""
_PATIENCE = 5.0
"""Seconds that a status waits for the store."""
SHORTEST_PASSWORD = 8
"""Characters (NIST SP 800-63B-4, section 3.1.1.2, allows no fewer with a second factor)."""


@dataclass(frozen=True, slots=True)
class Admin:
    """Implements `api.ports.ControlPlane`."""

    installation: Installation
    ledger: Ledger
    authority: Authority
    xds: XdsServer
    serving: ServingSecrets
    rotation: Rotation
    key_sets: KeySets
    api_keys: KeyRing
    writer: Writer
    accounts: Accounts
    decisions_store: Decisions
    revisions: Revisions
    guards: Guards
    trust: Withdrawals

    async def status(self) -> Status:
        """How things are now."""
        ledger, (counts, away) = self.ledger, await self._counted()
        here = self.writer.counts()
        dropped = counts.dropped + here.untold
        revision = ledger.revision
        proxies = tuple(self._proxies())
        return Status(
            RevisionStatus(ledger.number, revision.snapshot.revision, ledger.since)
            if revision
            else None,
            tuple(map(_gateway, revision.plan.gateways.values())) if revision else (),
            proxies,
            ledger.red(
                (
                    *away,
                    *self._serving_reds(),
                    *self._log_reds(here.dropped),
                    *self.rotation.reds(),
                    *self.key_sets.reds(),
                    *_proxy_reds(proxies, ledger.agents),
                    *self.guards.reds(
                        [one.id for one in proxies if one.connected], wanted=installed()
                    ),
                )
            ),
            revision.plan.warnings if revision else (),
            LogStatus(counts.written, dropped, counts.kept),
        )

    async def _counted(self) -> tuple[Counts, tuple[Red, ...]]:
        """What the decision log has, or nothing and why: a status is there without the store."""
        try:
            async with asyncio.timeout(_PATIENCE):
                return await asyncio.to_thread(self.decisions_store.counts), ()
        except OstiaryError as error:
            return Counts(0, 0, 0), (_problem("store", error),)
        except TimeoutError:
            hint = "its proxies go on with what they know; `trust` says for how long"
            red = Red("store-silent", "store", "the store neither answers nor fails", hint)
            return Counts(0, 0, 0), (red,)

    async def explain(self, decision: str) -> Sequence[Explanation]:
        """One explanation a record; an entry that is still on its way is waited for."""
        deadline = time.monotonic() + LOG_PATIENCE
        while True:
            await self.writer.flush()
            found = await asyncio.to_thread(self._explain, decision)
            if found or time.monotonic() > deadline:
                return found
            await asyncio.sleep(0.1)

    async def effective(self, route: str) -> Effective | None:
        """The route of the accepted revision; `Refused` names the nearest when there is none."""
        found = effective(self._plan(), route)
        if found is None:
            raise Refused(
                "route-unknown",
                f"the accepted revision has no route {route!r}",
                did_you_mean(route, route_names(self._plan()), "routes"),
            )
        return found

    async def decisions(self, query: DecisionQuery) -> Sequence[DecisionRecord]:
        """The newest records that match."""
        await self.writer.flush()
        return await asyncio.to_thread(
            lambda: self.decisions_store.recent(
                query.limit, route=query.route, subject=query.subject, denied=query.denied
            )
        )

    async def users(self) -> Sequence[User]:
        """Every local account, by name."""
        return [_user(account) for account in await asyncio.to_thread(self.accounts.all)]

    async def add_user(self, name: str, email: str, groups: Sequence[str], password: str) -> User:
        """The account exists afterwards."""
        account = await asyncio.to_thread(new_account, name, email, tuple(groups), password)
        await asyncio.to_thread(self.accounts.add, account)
        return _user(account)

    async def join_token(self, proxy: str) -> JoinToken:
        """A single-use token for a proxy of the accepted revision."""
        known = self.ledger.revision.snapshot.views if self.ledger.revision else {}
        found = [one for one in known if one == proxy or one.rsplit("/", 1)[1] == proxy]
        if len(found) != 1:
            raise Refused(
                "proxy-unknown" if not found else "proxy-ambiguous",
                f"{len(found)} proxies of the accepted revision are called {proxy!r}",
                f"there are: {', '.join(known) or 'none'}",
            )
        token = await asyncio.to_thread(self.authority.new_token, found[0])
        enrolment, control = self.installation.enrolment, self.installation.control
        specs = specs_of(self._plan(), self.authority.bundle.decode(), guard=installed())
        spec = next(one for one in specs if one.spiffe_id == found[0])
        ticket = Ticket(token, spec, (enrolment.host, enrolment.port), (control.host, control.port))
        where = f"{enrolment.host}:{enrolment.port}"
        return JoinToken(found[0], ticket.dump(), time.time() + TOKEN_LIFE, where)

    def _explain(self, decision: str) -> tuple[Explanation, ...]:
        return explain_all(self.decisions_store.find(decision), self._policy, self._deeds)

    def _deeds(self, verdict: str) -> Sequence[Deed]:
        found = self.guards.verdicts.audit(_DEEDS, verdict)
        return [Deed(one.time, one.who, one.deed, one.why) for one in found]

    def _policy(self, content: str) -> PolicyRecord | None:
        text = self.revisions.policy(content)
        if text is None:
            return None
        routes = self.ledger.revision.plan.routes if self.ledger.revision else ()
        now = next((str(route.place) for route in routes if route.policy == content), None)
        return replace(load(text), place=now) if now is not None else load(text)

    def _plan(self) -> Plan:
        if self.ledger.revision is None:
            raise Refused(
                "nothing-accepted",
                "no document has been accepted yet",
                "`ostiary status` says what is wrong with it",
            )
        return self.ledger.revision.plan

    def _proxies(self) -> Sequence[ProxyStatus]:
        found = {one.proxy: one for one in self.xds.status()}
        views = self.ledger.revision.snapshot.views if self.ledger.revision else {}
        current = self.ledger.revision.snapshot.revision if self.ledger.revision else None
        rows, guards = [], self.guards.status()
        for proxy in views:
            one = found.get(proxy)
            holds = one is not None and one.accepted == current and not one.refused
            rows.append(
                ProxyStatus(
                    proxy,
                    connected=bool(one and one.connected),
                    revision=self.ledger.number if holds else None,
                    since=(one.last_seen or 0.0) if one else 0.0,
                    guard=guards.get(proxy),
                )
            )
        return rows

    def _serving_reds(self) -> Sequence[Red]:
        return [_problem(name, error) for name, error in self.serving.problems.items()]

    def _log_reds(self, dropped: int) -> Sequence[Red]:
        found = []
        if dropped:
            sentence = f"{dropped} entries of the decision log were dropped"
            hint = "the store was too slow or away; `explain` says so for their ids"
            found.append(Red("log-dropped", "decision log", sentence, hint))
        failing = self.writer.counts().failing
        if failing:
            found.append(Red("log-failing", "decision log", f"the store refuses it: {failing}"))
        return found


def new_account(name: str, email: str, groups: tuple[str, ...], password: str) -> Account:
    """An account with its password hashed; `Refused` when the password is too short."""
    if len(password) < SHORTEST_PASSWORD:
        raise Refused(
            "password-short",
            f"a password needs {SHORTEST_PASSWORD} characters at least",
            "let us make one: ostiary user add NAME --generate",
        )
    return Account(
        name=name,
        email=email,
        groups=groups,
        created=time.time(),
        password_hash=hash_password(password),
    )


def _gateway(gateway: Gateway) -> GatewayStatus:
    addresses = tuple(AddressStatus(one.name, one.address, one.port) for one in gateway.listeners)
    return GatewayStatus(gateway.key.namespace, gateway.key.name, addresses)


def _user(account: Account) -> User:
    return User(account.name, account.email, account.groups, account.disabled)


def _proxy_reds(proxies: Sequence[ProxyStatus], known: Mapping[str, Red]) -> Sequence[Red]:
    hint = "its log is in the state directory; elsewhere, start it with `ostiary proxy`"
    return [
        known.get(one.id) or Red("proxy-away", one.id, "this proxy is not connected", hint)
        for one in proxies
        if not one.connected
    ]


def _problem(name: str, error: OstiaryError) -> Red:
    if isinstance(error, Refused | Unreachable):
        return Red(error.code, name, error.message, error.hint)
    return Red("certificate", name, str(error))
