"""What the compiler must know about this installation besides the plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

ISSUER: Final = "ostiary"
"""`iss` of all our tokens."""
CONTROL_CLUSTER: Final = "ostiary-control-plane"
"""Bootstrap cluster: xDS and the decision log, mutual TLS through the proxy's own agent."""
LOGIN_CLUSTER: Final = "ostiary-login"
"""HTTP: the sign-in host and `/.ostiary/*`."""
AUTHZ_CLUSTER: Final = "ostiary-authz"
"""gRPC: the slow path (ext_authz)."""
SVID_SECRET: Final = "svid"  # noqa: S105  a name
"""File SDS, `sds/svid.json` below the proxy's working directory: its own SPIFFE certificate."""
BUNDLE_SECRET: Final = "bundle"  # noqa: S105  a name
"""File SDS, `sds/bundle.json`: the trust bundle of our workload authority."""
SDS_FOLDER: Final = "sds"


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP address."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class World:
    """Facts of the installation; equal worlds and plans give equal bytes."""

    login_http: Address
    login_authz: Address
    jwks: str
    """Public keys (JWK set as canonical JSON) of every token `login` signs, next key included."""
    issuer: str = ISSUER
    """`iss` of all our tokens."""
    guard: bool = False
    """Whether every proxy has the guard."""
    key_sets: Mapping[str, str] = field(default_factory=dict)
    """Issuer of access tokens -> its JWK set, as canonical JSON; none yet: no entry."""
