"""The agent's calls to the control plane: join, renew, snapshot.

Fed by `identity` and `spare`; every failure is `Refused` (the control plane said no, in words) or
`Unreachable` (it did not answer in time).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import grpc

from ostiary.certs import enrolment
from ostiary.certs.enrolment import (
    CertificateAnswer,
    CertificateRequest,
    SnapshotAnswer,
    SnapshotRequest,
)
from ostiary.certs.pair import Pair
from ostiary.certs.spiffe import control_plane_host, trust_domain_of
from ostiary.errors import Refused, Unreachable

PATIENCE: Final = 5.0
"""Seconds a call may take."""


class ControlPlane:
    """One proxy's line to the control plane; replicas are tried in turn."""

    def __init__(
        self,
        spiffe_id: str,
        *,
        enrolment: Sequence[tuple[str, int]],
        control: Sequence[tuple[str, int]],
    ) -> None:
        self._host = control_plane_host(trust_domain_of(spiffe_id))
        self._enrolment = enrolment
        self._control = control
        self._turn = 0
        self._open: tuple[Pair, bytes, grpc.aio.Channel] | None = None

    async def join(self, token: str, csr: bytes, bundle: bytes) -> CertificateAnswer:
        """The first certificate, for a join token."""
        channel = self._channel(self._enrolment, grpc.ssl_channel_credentials(bundle))
        try:
            request = CertificateRequest(csr, token)
            return CertificateAnswer.from_bytes(
                await _call(channel, enrolment.JOIN, request.to_bytes())
            )
        except Unreachable:
            self._turn += 1
            raise
        finally:
            await channel.close(None)

    async def renew(self, pair: Pair, bundle: bytes, csr: bytes) -> CertificateAnswer:
        """The next certificate, for the present one."""
        raw = await self._mutual(pair, bundle, enrolment.RENEW, CertificateRequest(csr).to_bytes())
        return CertificateAnswer.from_bytes(raw)

    async def snapshot(
        self, pair: Pair, bundle: bytes, request: SnapshotRequest, patience: float = PATIENCE
    ) -> SnapshotAnswer:
        """What the proxy may serve alone, without what it has already; in `patience` seconds."""
        raw = await self._mutual(pair, bundle, enrolment.SNAPSHOT, request.to_bytes(), patience)
        return SnapshotAnswer.from_bytes(raw)

    async def close(self) -> None:
        """No connection is left open."""
        if self._open is not None:
            await self._open[2].close(None)
            self._open = None

    async def _mutual(
        self, pair: Pair, bundle: bytes, method: str, raw: bytes, patience: float = PATIENCE
    ) -> bytes:
        if self._open is None or self._open[:2] != (pair, bundle):
            await self.close()
            credentials = grpc.ssl_channel_credentials(bundle, pair.key, pair.chain)
            self._open = (pair, bundle, self._channel(self._control, credentials))
        try:
            return await _call(self._open[2], method, raw, patience)
        except Unreachable:
            self._turn += 1
            await self.close()
            raise

    def _channel(
        self, addresses: Sequence[tuple[str, int]], credentials: grpc.ChannelCredentials
    ) -> grpc.aio.Channel:
        host, port = addresses[self._turn % len(addresses)]
        options = [
            ("grpc.ssl_target_name_override", self._host),
            ("grpc.use_local_subchannel_pool", 1),  # a closed channel's connection ends with it
            ("grpc.max_receive_message_length", -1),  # a large installation's archive
        ]
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return grpc.aio.secure_channel(target, credentials, options=options)


async def _call(
    channel: grpc.aio.Channel, method: str, raw: bytes, patience: float = PATIENCE
) -> bytes:
    try:
        answer: bytes = await channel.unary_unary(method, None, None)(raw, timeout=patience)
    except grpc.aio.AioRpcError as error:
        if error.code() == grpc.StatusCode.PERMISSION_DENIED:
            code, _, message = (error.details() or "").partition(": ")
            raise Refused(code, message) from error
        raise Unreachable(
            "control-plane-unreachable",
            f"the control plane did not answer {method}: {error.details()}",
            "the proxy goes on with what it has; start the control plane, or check its address",
        ) from error
    return answer
