"""Access-log entries as Envoy writes them, and the certificates of those who send them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from ostiary.certs.issue import Issuer, Request, key_pem, pem, root, svid
from ostiary.certs.validity import starting
from ostiary.plan.record import ALLOWS_LOG, DENIALS_LOG
from ostiary.protos.messages import als, http_log

EDGE = "spiffe://test.ostiary/default/default/gateway/main"
CONTROL_PLANE = "spiffe://test.ostiary/ostiary/control-plane"


def entry(**changes: Any) -> http_log.HTTPAccessLogEntry:
    """A signed-in GET of the notes; `changes` by the names of the arguments below."""
    made = http_log.HTTPAccessLogEntry()
    common = made.common_properties
    common.route_name = changes.get("route", "default/default/notes@0123456789abcdef")
    common.start_time.seconds = 1_800_000_000
    common.start_time.nanos = 250_000_000
    common.duration.nanos = 4_000_000
    common.downstream_remote_address.socket_address.address = "192.0.2.7"
    common.upstream_cluster = "svc/default/default/notes"
    for name in changes.get("flags", ()):
        setattr(common.response_flags, name, True)
    for namespace, values in changes.get("metadata", {}).items():
        common.metadata.filter_metadata[namespace].update(values)
    made.request.request_id = changes.get("id", "7d9f5c1e-0000-4000-8000-000000000001")
    made.request.authority = changes.get("authority", "Notes.localhost:8443")
    made.request.path = changes.get("path", "/notes/1?token=secret#part")
    made.request.request_method = changes.get("method", 1)
    made.response.response_code.value = changes.get("code", 200)
    made.response.response_code_details = changes.get("details", "via_upstream")
    return made


def message(*entries: http_log.HTTPAccessLogEntry, log: str = "") -> als.StreamAccessLogsMessage:
    """One message of a stream; only the first names the log."""
    made = als.StreamAccessLogsMessage()
    if log:
        made.identifier.log_name = log
    made.http_logs.log_entry.extend(entries)
    return made


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


__all__ = ["ALLOWS_LOG", "DENIALS_LOG", "EDGE", "Certificates", "entry", "message"]
