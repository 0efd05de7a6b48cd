"""Log entries as Envoy writes them, and the certificates of those who send them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from ostiary.certs.issue import Issuer, Request, key_pem, pem, root, svid
from ostiary.certs.validity import starting
from ostiary.compiler.logs import ABSENT, CLAIMS, CREDENTIALS, REQUEST, SEPARATOR, STREAM
from ostiary.plan.record import ALLOWS_LOG, DENIALS_LOG
from ostiary.signals.export import export_request
from ostiary.wire import SESSION_KEY, STALE_KEY

EDGE = "spiffe://test.ostiary/default/default/gateway/main"
CONTROL_PLANE = "spiffe://test.ostiary/ostiary/control-plane"
STARTED = 1_800_000_000_250_000_000
REQUESTED = {
    "id": "7d9f5c1e-0000-4000-8000-000000000001",
    "route": "default/default/notes@0123456789abcdef",
    "code": "200",
    "details": "via_upstream",
    "client": "192.0.2.7",
    "micros": "4000",
    "upstream": "svc/default/default/notes",
    "method": "GET",
    "host": "Notes.localhost:8443",
    "path": "/notes/1",
}
Export: Any = export_request()


def line(claims: dict[str, dict[str, str]] | None = None, **changes: str) -> str:
    """A signed-out GET of the notes; `claims` by metadata key, `changes` by names of fields."""
    asked = REQUESTED | changes
    fields = [asked.get(name, ABSENT) for name in REQUEST]
    for key in claims or {SESSION_KEY: {}, STALE_KEY: {}}:
        fields.append(CREDENTIALS[key])
        fields += [(claims or {}).get(key, {}).get(name, ABSENT) for name in CLAIMS]
    return SEPARATOR.join([str(len(fields)), *fields])


def entry(text: str | bytes | None = None, **changes: str) -> Any:
    """A log record with the body `text`, or else with `line(**changes)`."""
    made = Export().resource_logs.add().scope_logs.add().log_records.add()
    found = line(**changes) if text is None else text
    made.body.string_value = found.encode() if isinstance(found, str) else found
    made.time_unix_nano = STARTED
    return made


def message(*entries: Any, log: str = "") -> bytes:
    """One message of a stream, as it is on the wire."""
    made = Export()
    group = made.resource_logs.add()
    if log:
        group.resource.attributes.add(key=STREAM).value.string_value = log.encode()
    group.scope_logs.add().log_records.extend(entries)
    return bytes(made.SerializeToString())


class Certificates:
    """A workload authority for one test."""

    def __init__(self) -> None:
        self._now = datetime.now(UTC)
        key = ec.generate_private_key(ec.SECP256R1())
        validity = starting(self._now, timedelta(days=1))
        certificate = root(key, "test", x509.random_serial_number(), validity)
        self._issuer = Issuer(certificate, key)
        self.bundle = pem(certificate)

    def pair(self, spiffe_id: str) -> tuple[bytes, bytes]:
        """Key and certificate (PEM) of `spiffe_id`, also good for the host name `localhost`."""
        key = ec.generate_private_key(ec.SECP256R1())
        validity = starting(self._now, timedelta(hours=1))
        request = Request(key.public_key(), x509.random_serial_number(), validity)
        return key_pem(key), pem(svid(self._issuer, request, spiffe_id, "localhost"))

    def server(self) -> grpc.ServerCredentials:
        """Asks every client for a certificate."""
        return grpc.ssl_server_credentials(
            [self.pair(CONTROL_PLANE)],
            root_certificates=self.bundle,
            require_client_auth=True,
        )

    def client(self, spiffe_id: str) -> grpc.ChannelCredentials:
        """Shows the certificate of `spiffe_id`."""
        key, chain = self.pair(spiffe_id)
        return grpc.ssl_channel_credentials(self.bundle, key, chain)


__all__ = ["ALLOWS_LOG", "DENIALS_LOG", "EDGE", "Certificates", "entry", "line", "message"]
