"""A child's end of the message channel to the supervisor: one JSON object a line.

Fed by any process of ours; feeds `up`, which prints or passes on.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

from ostiary.errors import OstiaryError, Refused, Unreachable


class Channel:
    """Messages to and from the supervisor, on one event loop."""

    def __init__(self, channel: socket.socket) -> None:
        self._socket = channel
        channel.setblocking(False)
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def tell(self, **message: Any) -> None:
        """`message` is on its way; order is kept."""
        task = asyncio.get_running_loop().create_task(self._send(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def fail(self, error: OstiaryError, **more: str) -> None:
        """The supervisor knows why this process ends."""
        if isinstance(error, Refused | Unreachable):
            self.tell(fault=error.message, code=error.code, hint=error.hint, **more)
        else:
            self.tell(fault=str(error), code="bug", hint="please report it", **more)
        await self.told()

    async def told(self) -> None:
        """Everything told so far has left this process."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def messages(self) -> AsyncIterator[dict[str, Any]]:
        """Every message, until the supervisor closes its end."""
        loop = asyncio.get_running_loop()
        unread = b""
        while data := await loop.sock_recv(self._socket, 65536):
            *lines, unread = (unread + data).split(b"\n")
            for line in lines:
                yield json.loads(line)

    async def _send(self, message: dict[str, Any]) -> None:
        async with self._turn:
            line = json.dumps(message).encode() + b"\n"
            await asyncio.get_running_loop().sock_sendall(self._socket, line)
