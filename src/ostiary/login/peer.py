"""Who is at the other end: only a gateway of ours may speak to `login`, and TLS has to prove it.

Without this check anybody with a certificate of our authority, a mini gateway for instance, could
name any host it likes. Fed by `server`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from ssl import SSLObject

from cryptography import x509
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


def is_gateway(uris: list[str], trust_domain: str) -> bool:
    """True for exactly one SPIFFE id, that of a gateway in `trust_domain`."""
    pattern = rf"spiffe://{re.escape(trust_domain)}/[^/]+/[^/]+/gateway/[^/]+"
    return len(uris) == 1 and re.fullmatch(pattern, uris[0]) is not None


def certificate_uris(der: bytes | None) -> list[str]:
    """The URI names of a certificate; none when there is no certificate or it has none."""
    if der is None:
        return []
    try:
        certificate = x509.load_der_x509_certificate(der)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return []
    return names.get_values_for_type(x509.UniformResourceIdentifier)


def guarded_protocol(trust_domain: str) -> type[HttpToolsProtocol]:
    """HTTP/1.1 for gateways of `trust_domain`: any other peer is cut off unheard."""

    class GuardedProtocol(HttpToolsProtocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            tls: SSLObject | None = transport.get_extra_info("ssl_object")
            der = tls.getpeercert(binary_form=True) if tls is not None else None
            if not is_gateway(certificate_uris(der), trust_domain):
                transport.abort()

    return GuardedProtocol


def grpc_uris(auth_context: Mapping[str, Iterable[bytes]]) -> list[str]:
    """The URI names of a gRPC peer's certificate."""
    names = [name.decode(errors="replace") for name in auth_context.get("peer_spiffe_id", ())]
    return names or [
        text
        for name in auth_context.get("x509_subject_alternative_name", ())
        if (text := name.decode(errors="replace")).startswith("spiffe://")
    ]
