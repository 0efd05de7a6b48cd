"""Who is at the other end: the SPIFFE id in the peer's certificate, never what it says it is.

Fed by grpc's authentication context; feeds `server`.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import grpc

from ostiary.errors import Refused

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
_NAMES: Final = "x509_subject_alternative_name"
_SCHEME: Final = b"spiffe://"


def spiffe_id(context: Context) -> str:
    """The one SPIFFE id of the verified peer certificate (X509-SVID standard, section 2).

    `Refused` when there is no certificate or not exactly one id in it.
    """
    names = [bytes(name) for name in context.auth_context().get(_NAMES, ())]
    ids = [name for name in names if name.startswith(_SCHEME)]
    if len(ids) != 1:
        found = "no" if not ids else f"{len(ids)}"
        raise Refused(
            "peer-without-identity",
            f"the peer's certificate holds {found} SPIFFE ids where exactly one is needed",
            "connect with the certificate that `ostiary proxy` got from the authority",
        )
    return ids[0].decode()
