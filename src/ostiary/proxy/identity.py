"""The proxy's identity: a key that never leaves its folder, a certificate that never gets old.

Fed by the control plane (`control`); feeds Envoy (`sds`), the relay and the snapshot poll.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final, TypeAlias

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from ostiary.certs.csr import build_csr
from ostiary.certs.enrolment import CertificateAnswer
from ostiary.certs.issue import key_pem
from ostiary.certs.pair import Pair, read_pair
from ostiary.certs.spiffe import check_id, trust_domain_of
from ostiary.errors import OstiaryError, Refused, Unreachable
from ostiary.proxy.control import ControlPlane
from ostiary.proxy.folder import BUNDLE, IDENTITY, Folder
from ostiary.proxy.sds import write_sds

_FIRST, _LONGEST = 0.2, 10.0
"""Seconds between two tries: doubled from the first to the longest."""
_NAP: Final = 15.0
"""Seconds between two looks at the calendar."""
_PEM_END: Final = b"-----END PRIVATE KEY-----\n"
_log = structlog.get_logger()

JoinToken: TypeAlias = Callable[[], str | Awaitable[str | None] | None]
"""A fresh join token, now or soon; asked at the first start, and whenever the control plane was
away for so long that the certificate ran out."""


class Identity:
    """The certificate of `spiffe_id` in one folder.

    `bundle` is what pins the control plane at the first join. `join_token` is asked whenever
    there is no valid certificate to renew with; it may return None.
    """

    def __init__(
        self,
        folder: Folder,
        spiffe_id: str,
        control: ControlPlane,
        bundle: bytes,
        join_token: JoinToken,
    ) -> None:
        self.spiffe_id = check_id(spiffe_id, trust_domain_of(spiffe_id))
        self.renewals = 0
        """Certificates obtained since the start."""
        self._folder = folder
        self._control = control
        self._join_token = join_token
        self._held = self._kept(bundle)
        self.bundle = bundle if self._held is None else folder.read(BUNDLE) or bundle

    @property
    def pair(self) -> Pair:
        """The present certificate with its key; `ensure()` has returned before."""
        if self._held is None:
            raise Refused("identity-missing", f"{self.spiffe_id} has no certificate yet")
        return self._held

    async def ensure(self) -> None:
        """There is a valid certificate, and Envoy's files hold it.

        Waits for the control plane as long as it does not answer; raises `Refused` when it says
        no or when there is no join token.
        """
        pause = _FIRST
        while self._held is None:
            try:
                await self._obtain()
            except Unreachable as error:
                _log.warning("waiting for the control plane", id=self.spiffe_id, error=str(error))
                await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  jitter
                pause = min(pause * 2, _LONGEST)
        write_sds(self._folder, self._held, self.bundle)

    async def run(self) -> None:
        """Renews at half of each lifetime, and tries again until it succeeds; until cancelled."""
        while True:
            left = (self.pair.validity.renew_at - _now()).total_seconds()
            # In short naps: the clock of sleep() stands still while the machine is suspended.
            await asyncio.sleep(min(max(left, 0.0), _NAP))
            if left <= 0:
                await self.renew()

    async def renew(self) -> None:
        """A new key and certificate are in Envoy's files."""
        pause = _FIRST
        while True:
            try:
                await self._obtain()
            except OstiaryError as error:
                _log.error("certificate not renewed", id=self.spiffe_id, error=str(error))
                await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  jitter
                pause = min(pause * 2, _LONGEST)
            else:
                write_sds(self._folder, self.pair, self.bundle)
                return

    async def _obtain(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        csr = build_csr(key, self.spiffe_id)
        if self._held is not None and self._held.validity.holds(_now()):
            answer = await self._control.renew(self._held, self.bundle, csr)
        else:
            answer = await self._control.join(await self._token(), csr, self.bundle)
        self._keep(key_pem(key), answer)

    async def _token(self) -> str:
        given = self._join_token()
        token = await given if isinstance(given, Awaitable) else given
        if token is None:
            raise Refused(
                "join-token-missing",
                f"{self.spiffe_id} has no valid certificate and no join token to get one",
                "make one on the control plane's machine and start the proxy with it",
            )
        return token

    def _keep(self, key: bytes, answer: CertificateAnswer) -> None:
        pair = read_pair(answer.certificate, key)
        if pair.spiffe_id != self.spiffe_id:
            raise Refused(
                "certificate-wrong-name",
                f"the authority sent a certificate for {pair.spiffe_id}, not {self.spiffe_id}",
                "the join token was made for another proxy",
            )
        self._folder.write(BUNDLE, answer.bundle)
        self._folder.write(IDENTITY, key + answer.certificate)
        self._held, self.bundle = pair, answer.bundle
        self.renewals += 1

    def _kept(self, pinned: bytes) -> Pair | None:
        """The certificate on disk, if it is still good and its bundle shares a root with ours."""
        raw, bundle = self._folder.read(IDENTITY), self._folder.read(BUNDLE)
        if raw is None or bundle is None or not _roots(bundle) & _roots(pinned):
            return None
        key, end, chain = raw.partition(_PEM_END)
        try:
            pair = read_pair(chain, key + end)
        except Refused as error:
            _log.warning("identity on disk not used", id=self.spiffe_id, error=str(error))
            return None
        return pair if pair.spiffe_id == self.spiffe_id and pair.validity.holds(_now()) else None


def _roots(bundle: bytes) -> set[x509.Certificate]:
    try:
        return set(x509.load_pem_x509_certificates(bundle))
    except ValueError:
        return set()


def _now() -> datetime:
    return datetime.now(UTC)
