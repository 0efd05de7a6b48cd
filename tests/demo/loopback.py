"""A TLS client for hosts that no resolver knows: every name leads to this machine."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from typing import Any

import httpcore
import httpx


class _Loopback(httpcore.NetworkBackend):
    def __init__(self) -> None:
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,  # noqa: ARG002  every name is this machine
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        return self._inner.connect_tcp("127.0.0.1", port, timeout, local_address, socket_options)


def loopback_client(ca: str, source: str | None = None) -> httpx.Client:
    """Trusts `ca` only, follows no redirect, keeps cookies by host.

    `source` is the address that it comes from, such as 127.0.0.7.
    """
    context = ssl.create_default_context(cafile=ca)
    transport = httpx.HTTPTransport(verify=context)
    transport._pool = httpcore.ConnectionPool(
        ssl_context=context, network_backend=_Loopback(), local_address=source
    )
    return httpx.Client(transport=transport, timeout=10, trust_env=False)
