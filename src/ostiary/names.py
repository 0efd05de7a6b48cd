"""How objects are named in every room: (tenant, namespace, name), `default/default` for files."""

from __future__ import annotations

from typing import NamedTuple


class Key(NamedTuple):
    """The identity of one object (gateway, service, route, provider) in the whole platform."""

    tenant: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """`name` alone for files, else `tenant/namespace/name`; the form used in every message."""
        if (self.tenant, self.namespace) == ("default", "default"):
            return self.name
        return f"{self.tenant}/{self.namespace}/{self.name}"

    @property
    def path(self) -> str:
        """`tenant/namespace/name`, always in full; the form used in resource names."""
        return f"{self.tenant}/{self.namespace}/{self.name}"


def local(name: str) -> Key:
    """The key of an object that came from a file."""
    return Key("default", "default", name)
