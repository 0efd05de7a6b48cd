"""Bursts of one shape: every connection sends, then every answer is read."""

from __future__ import annotations

import itertools
import socket
from typing import Final

from _load import answer
from _waf_shapes import Shape

CONNECTIONS: Final = 8


class Wires:
    """Open connections to one proxy. No request is sent twice."""

    def __init__(self, port: int, shape: Shape, *, checked: bool) -> None:
        self._shape, self._numbers = shape, itertools.count(1000)
        self._status = shape.status if checked else 200
        self._wires = [
            socket.create_connection(("127.0.0.1", port), 30) for _ in range(CONNECTIONS)
        ]
        for one in self._wires:
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def burst(self, many: int) -> int:
        """The number of requests; every one was answered as a firewall (or none) answers it."""
        for _ in range(many):
            for one in self._wires:
                one.sendall(self._shape.make(next(self._numbers)))
            for one in self._wires:
                status = int(answer(one).split(b" ", 2)[1])
                if status != self._status:
                    raise RuntimeError(f"{self._shape.name} was answered with {status}")
        return many * len(self._wires)

    def close(self) -> None:
        """No connection is left."""
        for one in self._wires:
            one.close()
