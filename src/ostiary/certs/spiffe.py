"""SPIFFE ids: who a workload is (SPIFFE-ID standard, section 2).

Fed by every room that names a workload; feeds certificates, RBAC principals and views.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from ostiary.errors import Refused
from ostiary.names import Key

_SCHEME: Final = "spiffe://"
_LONGEST: Final = 2048
"""Bytes an id may have (SPIFFE-ID 2.3)."""
_TRUST_DOMAIN: Final = re.compile(r"[a-z0-9._-]{1,255}")
_SEGMENT: Final = re.compile(r"[a-zA-Z0-9._-]+")


def gateway_id(trust_domain: str, gateway: Key) -> str:
    """`spiffe://<trust domain>/<tenant>/<namespace>/gateway/<name>`."""
    return f"spiffe://{trust_domain}/{gateway.tenant}/{gateway.namespace}/gateway/{gateway.name}"


def service_id(trust_domain: str, service: Key) -> str:
    """The id of a service's mini gateway; also the audience of identity assertions for it."""
    return f"spiffe://{trust_domain}/{service.tenant}/{service.namespace}/service/{service.name}"


def control_plane_id(trust_domain: str) -> str:
    """The id of every control-plane replica."""
    return f"spiffe://{trust_domain}/ostiary/control-plane"


def peer(auth_context: Mapping[str, Iterable[bytes]]) -> str:
    """The one SPIFFE id of a peer's verified certificate, as gRPC tells of it.

    Empty when there is no certificate, or not exactly one id in it.
    """
    names = list(auth_context.get("peer_spiffe_id", ()))
    return names[0].decode() if len(names) == 1 else ""


def login_id(trust_domain: str) -> str:
    """The id of `login`."""
    return f"spiffe://{trust_domain}/ostiary/login"


def control_plane_host(trust_domain: str) -> str:
    """The host name in the certificates of our own servers, for clients that compare hosts."""
    return f"control-plane.{trust_domain}"


def trust_domain_of(spiffe_id: str) -> str:
    """The trust domain of a well-formed id."""
    return spiffe_id.removeprefix(_SCHEME).partition("/")[0]


def is_trust_domain(text: str) -> bool:
    """Whether `text` may stand between `spiffe://` and the first slash (SPIFFE-ID 2.1)."""
    return _TRUST_DOMAIN.fullmatch(text) is not None


def check_id(text: str, trust_domain: str) -> str:
    """`text`, when it is a workload's id in `trust_domain`; raises `Refused` else.

    Ports, queries, fragments, escapes, empty and dot segments are refused (SPIFFE-ID 2.2); so is
    the bare trust domain, which names no workload.
    """
    domain, slash, path = text.removeprefix(_SCHEME).partition("/")
    wellformed = (
        text.startswith(_SCHEME)
        and len(text) <= _LONGEST
        and is_trust_domain(domain)
        and slash
        and all(_is_segment(segment) for segment in path.split("/"))
    )
    if not wellformed:
        raise Refused(
            "spiffe-id-malformed",
            f"{text!r} is no SPIFFE id of a workload",
            f"write spiffe://{trust_domain}/ and a path of letters, digits, '.', '_' and '-'",
        )
    if domain != trust_domain:
        raise Refused(
            "spiffe-id-foreign",
            f"{text!r} is not of the trust domain {trust_domain!r}",
            "an authority names workloads of its own trust domain only",
        )
    return text


def _is_segment(segment: str) -> bool:
    return _SEGMENT.fullmatch(segment) is not None and segment not in {".", ".."}
