"""A real admin API over HTTPS, on a real store, for one test."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from ostiary.api import run_api
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
from ostiary.app.withdrawals import Withdrawals
from ostiary.certs.issue import Issuer, Request, key_pem, pem, root, serving
from ostiary.certs.validity import starting
from ostiary.errors import Refused, Unreachable
from ostiary.plan.effective import Effective
from ostiary.plan.explain import Explanation, explain_all
from ostiary.plan.policy import PolicyRecord
from ostiary.plan.record import DENIALS_LOG, DecisionRecord
from ostiary.policy.rules import Effect, Level, Rule
from ostiary.store.api_keys import ApiKeys
from ostiary.store.database import Database
from ostiary.store.decisions import Decisions
from ostiary.store.sessions import Sessions
from ostiary.store.verdicts import Verdicts
from ostiary.verdicts.ports import Receipt

TOKEN = "the-admin-token"  # noqa: S105  of a test
EDGE = "spiffe://test.ostiary/default/default/gateway/main"
MINI = "spiffe://test.ostiary/default/default/service/notes"
POLICY = PolicyRecord(
    "default/default/notes",
    ("notes.localhost",),
    (Level("route notes", (Rule("editors write", Effect.ALLOW, groups=("editors",)),)),),
    login=True,
    place="site.yaml:7:3",
)
REFUSED = DecisionRecord(
    id="d1",
    time=1_800_000_000.0,
    proxy=EDGE,
    log=DENIALS_LOG,
    route="default/default/notes",
    policy=POLICY.hash,
    host="notes.localhost",
    method="POST",
    path="/notes\x1b[31m",
    code=403,
    details="ext_authz_denied",
    flags="",
    credential="session",
    subject="visitor",
    email="",
    groups=(),
    session_host="notes.localhost",
    sid="s1",
    group_set="g1",
    shadow="denied",
    peer="",
    client="192.0.2.7",
    duration=0.004,
    upstream="",
    failure="",
    offline=False,
)


@dataclass
class Gateways:
    """Two gateways that enforce everything, but for those that are late."""

    verdicts: Verdicts
    plane: Plane

    async def told(self, seq: int) -> Receipt:
        late = self.plane.late
        enforced = tuple(one for one in (EDGE, MINI) if one not in late)
        return Receipt(seq, enforced, late, 0.002)


@dataclass
class KnownAccounts:
    """The accounts of a `Plane`."""

    plane: Plane

    def find(self, name: str) -> User | None:
        return self.plane.accounts.get(name)

    def disable(self, name: str, _now: float, _who: str) -> int:
        return self._set(name, disabled=True)

    def enable(self, name: str, _now: float, _who: str) -> int:
        return self._set(name, disabled=False)

    def _set(self, name: str, *, disabled: bool) -> int:
        if name not in self.plane.accounts:
            raise Refused("account-unknown", f"there is no account {name}")
        known = self.plane.accounts[name]
        self.plane.accounts[name] = User(known.name, known.email, known.groups, disabled)
        return 1


@dataclass
class Plane:
    """A control plane with a real decision log and accounts in memory."""

    decisions_kept: Decisions
    accounts: dict[str, User] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    red: tuple[Red, ...] = ()
    away: bool = False
    guarded: bool = True
    late: tuple[str, ...] = ()

    @property
    def trust(self) -> Withdrawals:
        """The real thing over the real store; only the gateways and accounts are not."""
        database = self.decisions_kept._database
        guards = Gateways(Verdicts(database), self)
        return Withdrawals(guards, KnownAccounts(self), Sessions(database), self.guarded)

    @property
    def api_keys(self) -> KeyRing:
        """The same."""
        database = self.decisions_kept._database
        return KeyRing(ApiKeys(database), Gateways(Verdicts(database), self), self.guarded)

    async def status(self) -> Status:
        if self.away:
            raise Unreachable("store-unreachable", "the store did not answer", "look at the disk")
        counts = self.decisions_kept.counts()
        return Status(
            RevisionStatus(3, "0123456789abcdef", 1_800_000_000.0),
            (GatewayStatus("default", "main", (AddressStatus("https", "127.0.0.1", 8443),)),),
            (ProxyStatus(EDGE, True, 3, 1_800_000_000.0),),
            self.red,
            ("service mail has no route",),
            LogStatus(counts.written, counts.dropped, counts.kept),
        )

    async def explain(self, decision: str) -> Sequence[Explanation]:
        found = self.decisions_kept.find(decision)
        return explain_all(found, lambda name: POLICY if name == POLICY.hash else None)

    async def effective(self, route: str) -> Effective | None:
        if route not in {"notes", "default/default/notes"}:
            return None
        return Effective(
            route="notes",
            place="site.yaml:7:3",
            gateway="main",
            listener="https",
            hosts=("notes.localhost",),
            paths=("/*",),
            methods=(),
            to="service notes at 127.0.0.1:9001",
            sign_in="none",
            access={"route notes": ("allow editors write: groups editors",)},
            blocks={"timeouts": {"request": "0s"}},
            origins={"timeouts.request": "gateway main"},
            policy=POLICY.hash,
            denied="",
        )

    async def decisions(self, query: DecisionQuery) -> Sequence[DecisionRecord]:
        return self.decisions_kept.recent(
            query.limit, route=query.route, subject=query.subject, denied=query.denied
        )

    async def users(self) -> Sequence[User]:
        return list(self.accounts.values())

    async def add_user(self, name: str, email: str, groups: Sequence[str], password: str) -> User:
        if name in self.accounts:
            raise Refused("account-exists", f"there is an account {name}", "choose another name")
        self.accounts[name] = User(name, email, tuple(groups), disabled=False)
        self.passwords[name] = password
        return self.accounts[name]

    async def join_token(self, proxy: str) -> JoinToken:
        return JoinToken(proxy, "join-me", 1_800_000_600.0, "127.0.0.1:9443")


@dataclass
class Api:
    """Where it answers, and whom to trust."""

    url: str
    ca: Path
    plane: Plane


def certificates(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """`ca.pem` in `folder`, and a server context for 127.0.0.1 that it signs."""
    now = datetime.now(UTC)
    key, leaf_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    own = root(key, "test web", x509.random_serial_number(), starting(now, timedelta(days=1)))
    request = Request(
        leaf_key.public_key(), x509.random_serial_number(), starting(now, timedelta(hours=1))
    )
    leaf = serving(Issuer(own, key), request, ["127.0.0.1"])
    ca, chain, secret = folder / "ca.pem", folder / "leaf.pem", folder / "leaf.key"
    ca.write_bytes(pem(own))
    chain.write_bytes(pem(leaf))
    secret.write_bytes(key_pem(leaf_key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, secret)
    return ca, context


@contextlib.asynccontextmanager
async def running_api(folder: Path, *, guarded: bool = True) -> AsyncIterator[Api]:
    """The API answers inside the block; the log holds `REFUSED`."""
    ca, context = certificates(folder)
    database = Database.in_folder(folder)
    database.create()
    decisions = Decisions(database)
    decisions.append([REFUSED])
    plane = Plane(decisions, guarded=guarded)
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(
        run_api(
            "127.0.0.1",
            0,
            context=context,
            token=TOKEN,
            control_plane=plane,
            ready=port.set_result,
        )
    )
    try:
        yield Api(f"https://127.0.0.1:{await port}", ca, plane)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        database.close()
