"""How the compiler names resources; the only file that knows.

Fed by `plan` keys; feeds every other file of this room, and `authority`, which issues the
serving certificates under these names.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ostiary.names import Key
from ostiary.plan.model import Listener, SignIn

NAMES_PER_CERTIFICATE: Final = 50
"""Subject alternative names of one serving certificate; Envoy loads a thousand slowly."""


def cluster_name(service: Key) -> str:
    """`svc/<tenant>/<namespace>/<name>`: the cluster and its endpoint assignment."""
    return f"svc/{service.path}"


def scope_name(listener: str, host: str) -> str:
    """`<listener>|<host>`: the scope resource and its key."""
    return f"{listener}|{host}"


def serving_certificates(
    gateway: Key, listener: Listener, sign_in: SignIn | None
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each serving certificate of an HTTPS listener: its SDS name and its host names.

    A certificate that a person brings is one secret with no names of ours.
    """
    base = f"serving/{gateway.path}/{listener.name}"
    if listener.files is not None:
        yield f"{base}/0", ()
        return
    names = list(listener.hosts)
    if sign_in is not None and sign_in.listener == listener.name and sign_in.host not in names:
        names.append(sign_in.host)
    for start in range(0, len(names), NAMES_PER_CERTIFICATE):
        chunk = tuple(names[start : start + NAMES_PER_CERTIFICATE])
        yield f"{base}/{start // NAMES_PER_CERTIFICATE}", chunk
