"""How a proxy gets its identity and its spare configuration: the three enrolment calls.

`open_handler` goes on the port that asks for no client certificate, `peer_handler` on the mutual
TLS port. Fed by agents (`proxy`) and, through a callback, by `app` with what a proxy may see.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import grpc
import structlog

from ostiary.authority.issuer import Authority
from ostiary.certs import enrolment, stamp
from ostiary.certs.enrolment import (
    CertificateAnswer,
    CertificateRequest,
    SecretUpdate,
    SnapshotAnswer,
    SnapshotRequest,
)
from ostiary.certs.spiffe import check_id
from ostiary.compiler.resources import Resource
from ostiary.errors import Refused, Unreachable

Context: TypeAlias = grpc.aio.ServicerContext[bytes, bytes]
Call: TypeAlias = Callable[[bytes, Context], Awaitable[bytes]]
Handler: TypeAlias = "grpc.GenericRpcHandler[bytes, bytes]"
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Visible:
    """What one proxy may see of the last accepted revision."""

    revision: str
    """Changes whenever the archive does; while it stays, the archive is not made again."""
    archive: Callable[[], bytes]
    """Makes the archive, without any secret in it; called in a worker thread."""
    secrets: Mapping[str, Resource]


VisibleTo: TypeAlias = Callable[[str], Visible | None]
"""By SPIFFE id; None for a proxy that nothing names (any more)."""


def peer_id(context: Context, trust_domain: str) -> str:
    """The SPIFFE id in the caller's certificate; raises `Refused` when there is not exactly one."""
    names = context.auth_context().get("x509_subject_alternative_name", ())
    uris = [name.decode() for name in names if name.startswith(b"spiffe://")]
    if len(uris) != 1:
        raise Refused("peer-unnamed", f"the caller's certificate has {len(uris)} SPIFFE ids")
    return check_id(uris[0], trust_domain)


def open_handler(authority: Authority) -> Handler:
    """Join, for callers without a certificate."""

    async def join(raw: bytes, _context: Context) -> bytes:
        request = CertificateRequest.from_bytes(raw)
        certificate = await asyncio.to_thread(authority.join, request.token, request.csr)
        return CertificateAnswer(certificate, authority.bundle).to_bytes()

    return _handler({enrolment.JOIN: join})


def peer_handler(authority: Authority, visible: VisibleTo) -> Handler:
    """Renew and Snapshot, for the proxy that the caller's certificate names.

    A proxy for which `visible` is None gets neither: its certificate runs out.
    """
    spares = _Spares(authority)

    async def renew(raw: bytes, context: Context) -> bytes:
        request = CertificateRequest.from_bytes(raw)
        proxy = peer_id(context, authority.trust_domain)
        _seen(visible, proxy)
        certificate = await asyncio.to_thread(authority.issue_svid, request.csr, proxy)
        return CertificateAnswer(certificate, authority.bundle).to_bytes()

    async def snapshot(raw: bytes, context: Context) -> bytes:
        request = SnapshotRequest.from_bytes(raw)
        proxy = peer_id(context, authority.trust_domain)
        answer = await spares.answer(proxy, _seen(visible, proxy), request)
        return answer.to_bytes()

    return _handler({enrolment.RENEW: renew, enrolment.SNAPSHOT: snapshot})


@dataclass(frozen=True, slots=True)
class _Known:
    revision: str
    digest: str
    number: int


class _Spares:
    """Numbers and stamps snapshots; remembers what it knows of each proxy's last one."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self._known: dict[str, _Known] = {}

    async def answer(
        self, proxy: str, visible: Visible, request: SnapshotRequest
    ) -> SnapshotAnswer:
        """What `proxy` keeps for the time when we are away; only what it does not have yet."""
        last, archive = self._known.get(proxy), b""
        if last is not None and (last.revision, last.digest) == (visible.revision, request.digest):
            known = last
        else:
            known, archive = await asyncio.to_thread(self._make, proxy, visible)
            self._known[proxy] = known
        until = self._authority.now() + stamp.LIFETIME
        stamped = stamp.Stamp(proxy, known.number, until.timestamp(), known.digest)
        return SnapshotAnswer(
            stamped,
            self._authority.sign(stamped.message()),
            _updates(visible.secrets, request.secrets),
            b"" if known.digest == request.digest else archive,
        )

    def _make(self, proxy: str, visible: Visible) -> tuple[_Known, bytes]:
        archive = visible.archive()
        digest = hashlib.sha256(archive).hexdigest()
        number = self._authority.store.snapshot_number(proxy, digest)
        return _Known(visible.revision, digest, number), archive


def _updates(
    secrets: Mapping[str, Resource], versions: Mapping[str, str]
) -> dict[str, SecretUpdate]:
    """Every secret, its content only where the agent has another version."""
    return {
        name: SecretUpdate(
            secret.version, b"" if versions.get(name) == secret.version else secret.body
        )
        for name, secret in secrets.items()
    }


def _seen(visible: VisibleTo, proxy: str) -> Visible:
    found = visible(proxy)
    if found is None:
        raise Refused(
            "proxy-unknown",
            f"no gateway or service of the accepted revision has the proxy {proxy}",
            "it was removed from the document, or no document has been accepted yet",
        )
    return found


def _handler(calls: Mapping[str, Call]) -> Handler:
    service = {
        path.rpartition("/")[2]: grpc.unary_unary_rpc_method_handler(_told(call))
        for path, call in calls.items()
    }
    return grpc.method_handlers_generic_handler(enrolment.SERVICE, service)


def _told(call: Call) -> Call:
    """`call`, whose refusals reach the caller in words: the code, a colon, the sentence."""

    async def answer(raw: bytes, context: Context) -> bytes:
        try:
            return await call(raw, context)
        except Refused as error:
            _log.warning("enrolment refused", code=error.code, reason=error.message)
            details = f"{error.code}: {error.message}"
            return await context.abort(grpc.StatusCode.PERMISSION_DENIED, details)
        except Unreachable as error:
            return await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))

    return answer
