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
    """What one proxy may see of the last accepted revision.

    The archive holds no secret. Hand out the same `archive` object while nothing has changed:
    its digest is then computed once.
    """

    archive: bytes
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


class _Spares:
    """Numbers and stamps snapshots; remembers the last digest and number of each proxy."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self._known: dict[str, tuple[bytes, str, int]] = {}

    async def answer(
        self, proxy: str, visible: Visible, request: SnapshotRequest
    ) -> SnapshotAnswer:
        """What `proxy` keeps for the time when we are away; only what it does not have yet."""
        digest, number = await self._number(proxy, visible.archive)
        until = self._authority.now() + stamp.LIFETIME
        stamped = stamp.Stamp(proxy, number, until.timestamp(), digest)
        secrets = {
            name: SecretUpdate(
                secret.version,
                b"" if request.secrets.get(name) == secret.version else secret.body,
            )
            for name, secret in visible.secrets.items()
        }
        archive = b"" if request.digest == digest else visible.archive
        signature = self._authority.sign(stamped.message())
        return SnapshotAnswer(stamped, signature, secrets, archive)

    async def _number(self, proxy: str, archive: bytes) -> tuple[str, int]:
        known = self._known.get(proxy)
        if known is not None and known[0] is archive:
            return known[1], known[2]
        digest = hashlib.sha256(archive).hexdigest()
        number = await asyncio.to_thread(self._authority.store.snapshot_number, proxy, digest)
        self._known[proxy] = (archive, digest, number)
        return digest, number


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
