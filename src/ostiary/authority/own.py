"""The certificates of our own servers (control plane, `login`), renewed while they run.

Fed by the `Authority`; feeds grpc.aio servers and uvicorn. New handshakes use the newest
certificate, live connections go on.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from pathlib import Path
from typing import Final

import grpc
import structlog

from ostiary.authority.issuer import Authority
from ostiary.certs.pair import Pair
from ostiary.errors import OstiaryError

_RETRY: Final = 30.0
"""Seconds until a failed renewal is tried again; half of the lifetime is left for it."""
_NAP: Final = 15.0
"""Seconds between two looks at the calendar."""
_log = structlog.get_logger()


class OwnCredentials:
    """A certificate for `spiffe_id`, always more than half fresh while `run()` runs."""

    def __init__(self, authority: Authority, spiffe_id: str) -> None:
        self.spiffe_id = spiffe_id
        self._authority = authority
        self._pair = authority.issue_own(spiffe_id)
        self._contexts: list[tuple[ssl.SSLContext, Path]] = []

    @property
    def pair(self) -> Pair:
        """The newest certificate with its key."""
        return self._pair

    def grpc_mutual(self) -> grpc.ServerCredentials:
        """Server credentials that require a client certificate of our workload authority.

        The peer's id stands in `context.auth_context()`; see `enrolment.peer_id`.
        """
        return self._grpc(require_client=True)

    def grpc_open(self) -> grpc.ServerCredentials:
        """Server credentials that ask for no client certificate: for Join only."""
        return self._grpc(require_client=False)

    def server_context(self, folder: Path) -> ssl.SSLContext:
        """A TLS 1.3 context that requires a client certificate of our workload authority.

        Its key lies in `folder` (0600), because Python loads keys from files only; it is loaded
        again at each renewal.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=self._authority.bundle.decode())
        file = folder / "own.pem"
        self._load(context, file)
        self._contexts.append((context, file))
        return context

    def renew(self) -> None:
        """A new key and certificate are in use for every new handshake."""
        self._pair = self._authority.issue_own(self.spiffe_id)
        for context, file in self._contexts:
            self._load(context, file)

    async def run(self) -> None:
        """Renews at half of each lifetime, until cancelled."""
        while True:
            left = (self._pair.validity.renew_at - self._authority.now()).total_seconds()
            # In short naps: the clock of sleep() stands still while the machine is suspended.
            await asyncio.sleep(min(max(left, 0.05), _NAP))
            try:
                if left <= 0:
                    await asyncio.to_thread(self.renew)
            except OstiaryError as error:
                _log.error("own certificate not renewed", id=self.spiffe_id, error=str(error))
                await asyncio.sleep(_RETRY)

    def _grpc(self, *, require_client: bool) -> grpc.ServerCredentials:
        return grpc.dynamic_ssl_server_credentials(
            self._configuration(), self._configuration, require_client
        )

    def _configuration(self) -> grpc.ServerCertificateConfiguration:
        # Called by gRPC at every handshake, from a thread of its own.
        pair = self._pair
        return grpc.ssl_server_certificate_configuration(
            [(pair.key, pair.chain)], self._authority.bundle
        )

    def _load(self, context: ssl.SSLContext, file: Path) -> None:
        new = file.with_suffix(".new")
        new.unlink(missing_ok=True)
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as out:
            out.write(self._pair.key + self._pair.chain)
        new.rename(file)
        context.load_cert_chain(file)
