"""The authority itself: two roots out of the store, and what they sign.

Fed by `app` with the store and a clock; feeds `own`, `serving` and `enrolment`. Every method is
synchronous and thread-safe; it writes one row, so the loops here call it from a worker thread.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol, cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ostiary.certs import issue, validity
from ostiary.certs.csr import check_csr
from ostiary.certs.issue import Issuer, Request
from ostiary.certs.pair import Pair, read_pair
from ostiary.certs.spiffe import check_id, control_plane_host, is_trust_domain
from ostiary.errors import Refused

TOKEN_LIFETIME: Final = timedelta(minutes=10)


class AuthorityStore(Protocol):
    """What the authority asks of the store (`ostiary.store.authority`)."""

    def root(self, name: str) -> tuple[bytes, bytes] | None:
        """Certificate and key of a root, PEM."""

    def keep_root(self, name: str, certificate: bytes, key: bytes) -> tuple[bytes, bytes]:
        """Keep a root unless there is one; what is kept then."""

    def add_token(self, digest: str, spiffe_id: str, expires: datetime) -> None:
        """Remember a join token by its hash."""

    def token_owner(self, digest: str, now: datetime) -> str:
        """The id a good token is bound to."""

    def use_token(self, digest: str, now: datetime) -> str:
        """The same, and the token is used up."""

    def record(self, serial: int, subject: str, not_after: datetime, now: datetime) -> None:
        """Remember what was issued."""

    def serving(self, hosts: str) -> tuple[bytes, bytes] | None:
        """The serving certificate kept for these hosts, and its key."""

    def keep_serving(self, hosts: str, chain: bytes, key: bytes) -> None:
        """Keep a serving certificate and its key."""

    def snapshot_number(self, proxy: str, digest: str) -> int:
        """The number of a proxy's snapshot with this digest."""


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long what we issue lives."""

    svid: timedelta = validity.SVID_LIFETIME
    serving: timedelta = validity.SERVING_LIFETIME
    token: timedelta = TOKEN_LIFETIME


def utc_now() -> datetime:
    """The clock of this machine."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Authority:
    """Signs for one trust domain; holds the opened root keys in memory only."""

    trust_domain: str
    store: AuthorityStore
    workloads: Issuer = field(repr=False)
    web: Issuer = field(repr=False)
    lifetimes: Lifetimes
    now: Callable[[], datetime]

    @classmethod
    def open(
        cls,
        store: AuthorityStore,
        trust_domain: str,
        *,
        lifetimes: Lifetimes | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> Authority:
        """The authority of this store, its roots made on first use.

        Raises `Refused` when the store's roots are of another trust domain.
        """
        if not is_trust_domain(trust_domain):
            raise Refused(
                "trust-domain-malformed",
                f"{trust_domain!r} is no trust domain",
                "use lower-case letters, digits, '.', '-' and '_', as in demo.example",
            )
        workloads = _root(store, "workload", _NewRoot(trust_domain, now()))
        web = _root(store, "web", _NewRoot(None, now()))
        _check_domain(workloads.certificate, trust_domain)
        return cls(trust_domain, store, workloads, web, lifetimes or Lifetimes(), now)

    @property
    def bundle(self) -> bytes:
        """The workload root, PEM: what every workload pins."""
        return issue.pem(self.workloads.certificate)

    @property
    def web_bundle(self) -> bytes:
        """The web root, PEM: what a browser is told to trust."""
        return issue.pem(self.web.certificate)

    def issue_svid(self, csr: bytes, spiffe_id: str) -> bytes:
        """A certificate (PEM) naming `spiffe_id` for the sender of `csr`; `Refused` if unfit."""
        key = check_csr(csr, check_id(spiffe_id, self.trust_domain))
        request = self._request(key, self.lifetimes.svid, self.workloads)
        return self._record(issue.svid(self.workloads, request, spiffe_id), spiffe_id)

    def issue_own(self, spiffe_id: str) -> Pair:
        """A fresh key and certificate for a process of ours that can open the store."""
        key = ec.generate_private_key(ec.SECP256R1())
        request = self._request(key.public_key(), self.lifetimes.svid, self.workloads)
        checked = check_id(spiffe_id, self.trust_domain)
        host = control_plane_host(self.trust_domain)
        leaf = issue.svid(self.workloads, request, checked, host)
        return Pair(self._record(leaf, spiffe_id), issue.key_pem(key), leaf)

    def serving(self, names: Sequence[str]) -> Pair:
        """A certificate for host names and addresses, with more than half of its life left.

        Kept in the store, so that a restart or a second replica serves the same one. No
        certificate can name every host: `*` becomes `localhost`, and a client that uses another
        name refuses the connection.
        """
        hosts = sorted({"localhost" if name == "*" else name for name in names}) or ["localhost"]
        kept = self.store.serving(" ".join(hosts))
        if kept is not None and (pair := read_pair(*kept)).validity.renew_at > self.now():
            return pair
        pair = self.issue_serving(hosts)
        self.store.keep_serving(" ".join(hosts), pair.chain, pair.key)
        return pair

    def issue_serving(self, hosts: Sequence[str]) -> Pair:
        """A fresh key and a certificate for `hosts`, at least one."""
        key = ec.generate_private_key(ec.SECP256R1())
        request = self._request(key.public_key(), self.lifetimes.serving, self.web)
        leaf = issue.serving(self.web, request, hosts)
        return Pair(self._record(leaf, " ".join(hosts)), issue.key_pem(key), leaf)

    def new_token(self, spiffe_id: str) -> str:
        """A join token: 256 random bits, good once, for `spiffe_id` only, for ten minutes."""
        token = secrets.token_urlsafe(32)
        expires = self.now() + self.lifetimes.token
        self.store.add_token(_digest(token), check_id(spiffe_id, self.trust_domain), expires)
        return token

    def join(self, token: str, csr: bytes) -> bytes:
        """The first certificate of whoever holds `token`; `Refused` for a used or old one.

        A request that is refused for another reason leaves the token unused.
        """
        digest = _digest(token)
        check_csr(csr, self.store.token_owner(digest, self.now()))
        return self.issue_svid(csr, self.store.use_token(digest, self.now()))

    def sign(self, message: bytes) -> bytes:
        """An ECDSA signature by the workload root over a `certs.stamp.Stamp.message()`."""
        return self.workloads.key.sign(message, ec.ECDSA(hashes.SHA256()))

    def _request(
        self, key: ec.EllipticCurvePublicKey, lifetime: timedelta, issuer: Issuer
    ) -> Request:
        until = issuer.certificate.not_valid_after_utc
        return Request(
            key, x509.random_serial_number(), validity.starting(self.now(), lifetime, until=until)
        )

    def _record(self, leaf: x509.Certificate, subject: str) -> bytes:
        self.store.record(leaf.serial_number, subject, leaf.not_valid_after_utc, self.now())
        return issue.pem(leaf)


@dataclass(frozen=True, slots=True)
class _NewRoot:
    """What to make when the store has no root yet: of a trust domain, or for the web."""

    trust_domain: str | None
    now: datetime

    def make(self) -> tuple[bytes, bytes]:
        key = ec.generate_private_key(ec.SECP256R1())
        serial = x509.random_serial_number()
        span = validity.starting(self.now, validity.ROOT_LIFETIME)
        if self.trust_domain is None:
            # The serial tells two installations apart in a browser's list.
            certificate = issue.root(key, f"Ostiary web {serial:x}"[:24], serial, span)
        else:
            certificate = issue.workload_root(key, self.trust_domain, serial, span)
        return issue.pem(certificate), issue.key_pem(key)


def _root(store: AuthorityStore, name: str, new: _NewRoot) -> Issuer:
    certificate, key = store.root(name) or store.keep_root(name, *new.make())
    private = serialization.load_pem_private_key(key, password=None)
    return Issuer(
        x509.load_pem_x509_certificate(certificate), cast("ec.EllipticCurvePrivateKey", private)
    )


def _check_domain(certificate: x509.Certificate, trust_domain: str) -> None:
    limits = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    if x509.UniformResourceIdentifier(trust_domain) not in (limits.permitted_subtrees or ()):
        raise Refused(
            "trust-domain-changed",
            f"this state belongs to another trust domain than {trust_domain!r}",
            "put back the old trust_domain, or start with a new state directory",
        )


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
