"""What the compiler hands to `xds`: bytes with a name, a content hash and the writer's place.

Bytes are shared per resource: two proxies with the same view hold the same objects.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import Message

from ostiary.errors import NOWHERE, Place

_PREFIX: Final = "type.googleapis.com/"
CLUSTER: Final = _PREFIX + "envoy.config.cluster.v3.Cluster"
ENDPOINTS: Final = _PREFIX + "envoy.config.endpoint.v3.ClusterLoadAssignment"
LISTENER: Final = _PREFIX + "envoy.config.listener.v3.Listener"
SCOPE: Final = _PREFIX + "envoy.config.route.v3.ScopedRouteConfiguration"
FILTER: Final = _PREFIX + "envoy.config.core.v3.TypedExtensionConfig"
SECRET: Final = _PREFIX + "envoy.extensions.transport_sockets.tls.v3.Secret"


@dataclass(frozen=True, slots=True)
class Resource:
    """One xDS resource, serialised once. `version` is a content hash, equal across replicas."""

    type_url: str
    name: str
    version: str
    body: bytes
    """The serialised message (not wrapped in Any)."""
    place: Place = NOWHERE
    """Where a NACK of this resource is reported."""


def resource(type_url: str, name: str, message: Message, place: Place = NOWHERE) -> Resource:
    """`message`, serialised deterministically, under its content hash."""
    body = message.SerializeToString(deterministic=True)
    version = hashlib.blake2b(body, digest_size=8).hexdigest()
    return Resource(type_url, name, version, body, place)


@dataclass(frozen=True, slots=True)
class View:
    """All that one proxy may see: type URL -> name -> resource. Secrets are not in it."""

    proxy: str
    """The SPIFFE id whose view this is."""
    resources: Mapping[str, Mapping[str, Resource]]
    secrets: frozenset[str]
    """Names of the SDS secrets this proxy may ask for."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One compiled revision: every view by SPIFFE id."""

    revision: str
    views: Mapping[str, View]
