"""The public keys by which an application checks what our headers say.

Nobody has to be signed in to read them. Fed by the store; read by applications, which may keep
them for a minute.
"""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from ostiary.identity.guard_keys import GUARD_KEYS, jwk_set
from ostiary.identity.tokens import jwks
from ostiary.login.ports import Stores
from ostiary.login.visit import Visit
from ostiary.login.work import Work

_HEADERS: Final = {"cache-control": "public, max-age=60", "x-content-type-options": "nosniff"}


class PublicKeys:
    """Two JWK sets."""

    def __init__(self, stores: Stores, work: Work) -> None:
        self._stores = stores
        self._work = work

    async def assertions(self, _visited: Visit) -> Response:
        """Of `x-ostiary-assertion`."""
        return _set(await self._work.run(lambda: jwks(self._stores.keys.published())))

    async def trust(self, _visited: Visit) -> Response:
        """Of `x-ostiary-trust`."""
        return _set(await self._work.run(lambda: jwk_set(self._stores.site.get(GUARD_KEYS))))


def _set(text: str) -> Response:
    return Response(text, media_type="application/jwk-set+json", headers=_HEADERS)
