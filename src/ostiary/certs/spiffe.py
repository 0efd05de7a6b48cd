"""SPIFFE ids: who a workload is (SPIFFE-ID standard, section 2)."""

from __future__ import annotations

from ostiary.names import Key


def gateway_id(trust_domain: str, gateway: Key) -> str:
    """`spiffe://<trust domain>/<tenant>/<namespace>/gateway/<name>`."""
    return f"spiffe://{trust_domain}/{gateway.tenant}/{gateway.namespace}/gateway/{gateway.name}"


def service_id(trust_domain: str, service: Key) -> str:
    """The id of a service's mini gateway; also the audience of identity assertions for it."""
    return f"spiffe://{trust_domain}/{service.tenant}/{service.namespace}/service/{service.name}"


def control_plane_id(trust_domain: str) -> str:
    """The id of every control-plane replica."""
    return f"spiffe://{trust_domain}/ostiary/control-plane"


def login_id(trust_domain: str) -> str:
    """The id of `login`."""
    return f"spiffe://{trust_domain}/ostiary/login"
