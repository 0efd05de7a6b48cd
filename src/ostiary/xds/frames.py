"""Delta discovery responses as bytes, joined by hand so that a resource is serialised only once.

The compiler's `Resource.body` goes into the frame as it is. Field numbers are those of
`envoy/service/discovery/v3/discovery.proto`; a test reads the frames back with Envoy's own class.
Fed by `stream`; feeds the wire.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ostiary.compiler.resources import Resource

_RESOURCES: Final = b"\x12"
_TYPE_URL: Final = b"\x22"
_NONCE: Final = b"\x2a"
_REMOVED: Final = b"\x32"
_RESOURCE_VERSION: Final = b"\x0a"
_RESOURCE_ANY: Final = b"\x12"
_RESOURCE_NAME: Final = b"\x1a"
_ANY_TYPE_URL: Final = b"\x0a"
_ANY_VALUE: Final = b"\x12"
_CONTINUES: Final = 0x80


def response(
    type_url: str, nonce: str, resources: Iterable[Resource], removed: Iterable[str]
) -> bytes:
    """A serialised `DeltaDiscoveryResponse`; each body is copied once, into the result."""
    parts = [_text(_TYPE_URL, type_url), _text(_NONCE, nonce)]
    for resource in resources:
        _append(parts, resource)
    parts += [_text(_REMOVED, name) for name in removed]
    return b"".join(parts)


def _append(parts: list[bytes], resource: Resource) -> None:
    head = _text(_RESOURCE_VERSION, resource.version) + _text(_RESOURCE_NAME, resource.name)
    kind = _text(_ANY_TYPE_URL, resource.type_url) + _ANY_VALUE + _varint(len(resource.body))
    wrapped = len(kind) + len(resource.body)
    head += _RESOURCE_ANY + _varint(wrapped)
    parts += [_RESOURCES, _varint(len(head) + wrapped), head, kind, resource.body]


def _text(tag: bytes, text: str) -> bytes:
    raw = text.encode()
    return tag + _varint(len(raw)) + raw


def _varint(number: int) -> bytes:
    out = bytearray()
    while number >= _CONTINUES:
        out.append(number & 0x7F | _CONTINUES)
        number >>= 7
    out.append(number)
    return bytes(out)
