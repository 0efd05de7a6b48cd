"""Two connections joined byte for byte, with back-pressure and without a look inside.

Fed by and feeds `relay`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast


class End(asyncio.Protocol):
    """One end; what it receives is written to its `other` end. Both close together.

    `opened` is called with the end as soon as it is connected.
    """

    def __init__(self, opened: Callable[[End], None] | None = None) -> None:
        self._opened = opened
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None
        self._other: End | None = None
        self._early = b""

    def join(self, other: End) -> None:
        """Bytes flow both ways from now on, until either end closes."""
        self._other, other._other = other, self
        if self.closed.done() or other.closed.done():
            self.close()
            other.close()
            return
        mine, theirs = self._early, other._early
        self._early = other._early = b""
        other._write(mine)
        self._write(theirs)
        self._resume()
        other._resume()

    def close(self) -> None:
        """This end closes when what was written to it has left."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """This end closes now; what was not yet written is lost."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Nothing is read before there is somewhere to write it."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.pause_reading()
        if self._opened is not None:
            self._opened(self)

    def data_received(self, data: bytes) -> None:
        """To the other end; kept until there is one."""
        if self._other is None:
            # uvloop begins to read right after `connection_made`, whatever was said there.
            self._early += data
        else:
            self._other._write(data)  # noqa: SLF001

    def pause_writing(self) -> None:
        """This end is slow: the other reads no more."""
        if self._other is not None and self._other._transport is not None:  # noqa: SLF001
            self._other._transport.pause_reading()  # noqa: SLF001

    def resume_writing(self) -> None:
        """This end has caught up."""
        if self._other is not None:
            self._other._resume()  # noqa: SLF001

    def connection_lost(self, _error: Exception | None) -> None:
        """The other end closes too."""
        if not self.closed.done():
            self.closed.set_result(None)
        if self._other is not None:
            self._other.close()

    def _write(self, data: bytes) -> None:
        if data and self._transport is not None:
            self._transport.write(data)

    def _resume(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
