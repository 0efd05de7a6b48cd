"""News between control planes that share a store, by publish and subscribe of Valkey or Redis.

Only a number goes over it; the verdicts are read from the store. What gets lost is found by the
next look a quarter of a second later, so a fan-out that is away costs time and nothing else. Fed
by `hub` and by the other control planes; feeds `hub`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from importlib.util import find_spec
from typing import Any, Final
from urllib.parse import urlsplit

import structlog

from ostiary.errors import Refused

CHANNEL: Final = "ostiary.verdicts"
_SCHEMES: Final = {"valkey": "redis", "valkeys": "rediss", "redis": "redis", "rediss": "rediss"}
_PATIENCE: Final = 1.0
"""Seconds for one message, and before the next try."""
_log = structlog.get_logger("ostiary.verdicts")


class ValkeyFanout:
    """Over the server at `url`: `valkey://host`, with TLS `valkeys://user:password@host`."""

    def __init__(self, url: str) -> None:
        """`Refused` when the URL or the driver is not there; the server is not asked yet."""
        scheme = urlsplit(url).scheme
        if scheme not in _SCHEMES:
            raise Refused(
                "fanout-url",
                "the fan-out's URL cannot be read",
                "for example valkey://cache.internal",
            )
        if find_spec("valkey") is None:
            raise Refused(
                "fanout-driver",
                "a fan-out needs the Python package valkey",
                'install it with Ostiary: pip install "ostiary[valkey]"',
            )
        self._url = _SCHEMES[scheme] + url[len(scheme) :]
        self._teller: Any = None
        self._trouble = ""

    async def tell(self, seq: int) -> None:
        """The others hear of `seq`, if they can be reached."""
        try:
            if self._teller is None:
                self._teller = self._connection()
            async with asyncio.timeout(_PATIENCE):
                await self._teller.publish(CHANNEL, str(seq))
        except (OSError, TimeoutError, _errors()) as error:
            self._lament(error)

    async def heard(self) -> AsyncIterator[None]:
        """Something each time one of us told, and after each time the line was down."""
        while True:
            connection = self._connection()
            try:
                async with connection.pubsub() as ears:
                    await ears.subscribe(CHANNEL)
                    self._trouble = ""
                    async for message in ears.listen():
                        if message["type"] in {"message", "subscribe"}:
                            yield None
            except (OSError, TimeoutError, _errors()) as error:
                self._lament(error)
            finally:
                await connection.aclose()
            await asyncio.sleep(_PATIENCE)

    async def close(self) -> None:
        """No connection is left open."""
        if self._teller is not None:
            await self._teller.aclose()

    def _connection(self) -> Any:
        from valkey.asyncio import Valkey  # noqa: PLC0415  optional

        return Valkey.from_url(self._url, socket_connect_timeout=_PATIENCE)

    def _lament(self, error: BaseException) -> None:
        words = str(error) or type(error).__name__
        if self._trouble != words:
            self._trouble = words
            _log.warning("the fan-out is away; the store is asked instead", error=words)


def _errors() -> type[Exception]:
    from valkey.exceptions import ValkeyError  # noqa: PLC0415  optional

    found: type[Exception] = ValkeyError
    return found
