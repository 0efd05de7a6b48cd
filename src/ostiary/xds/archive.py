"""A view as bytes and back: the last good configuration that a proxy keeps on disk.

No secrets are in it (a `View` has none), only their names. The format is a magic line, one line of
JSON that lists the resources, and their bodies one after another; equal views give equal bytes.
Signing, numbering and expiry are the keeper's. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from ostiary.compiler.resources import Resource, View
from ostiary.errors import Place, Refused

_MAGIC: Final = b"ostiary view 1\n"


def to_bytes(view: View) -> bytes:
    """`view` as bytes, resources in order of type and name."""
    resources = [
        view.resources[type_url][name]
        for type_url in sorted(view.resources)
        for name in sorted(view.resources[type_url])
    ]
    index = {
        "proxy": view.proxy,
        "secrets": sorted(view.secrets),
        "resources": [_entry(resource) for resource in resources],
    }
    line = json.dumps(index, separators=(",", ":"), ensure_ascii=True).encode()
    return b"".join((_MAGIC, line, b"\n", *(resource.body for resource in resources)))


def from_bytes(data: bytes) -> View:
    """The view in `data`; `Refused` when it is cut short, too long or not ours."""
    if not data.startswith(_MAGIC):
        raise _broken("it does not begin as one")
    line, _, bodies = data[len(_MAGIC) :].partition(b"\n")
    try:
        index = json.loads(line)
        resources: dict[str, dict[str, Resource]] = {}
        for resource in _resources(index["resources"], bodies):
            resources.setdefault(resource.type_url, {})[resource.name] = resource
        return View(str(index["proxy"]), resources, frozenset(map(str, index["secrets"])))
    except (ValueError, KeyError, TypeError) as error:
        raise _broken("its index cannot be read") from error


def _entry(resource: Resource) -> list[Any]:
    place = resource.place
    return [
        resource.type_url,
        resource.name,
        resource.version,
        len(resource.body),
        [place.file, place.line, place.column],
    ]


def _resources(index: list[list[Any]], bodies: bytes) -> Iterator[Resource]:
    start = 0
    for type_url, name, version, length, place in index:
        end = start + int(length)
        if not start <= end <= len(bodies):
            raise _broken("it is cut short")
        yield Resource(type_url, name, version, bodies[start:end], Place(*place))
        start = end
    if start != len(bodies):
        raise _broken("something follows its end")


def _broken(why: str) -> Refused:
    return Refused(
        "snapshot-broken",
        f"this is no saved configuration view: {why}",
        "remove the file; the proxy gets a new one from the control plane",
    )
