"""Whether a port is free, asked in a way that no sharing can deceive.

Envoy listens with SO_REUSEPORT, so a second Envoy on the same port starts without a word and takes
half of the connections. Binding without it tells. Fed by and feeds `agent` and `app`.
"""

from __future__ import annotations

import errno
import socket

from ostiary.errors import Refused


def require_free(address: str, port: int) -> None:
    """Returns when a proxy may listen there; raises `Refused` in words else."""
    try:
        _bind(address, port)
    except OSError as error:
        raise _refused(address, port, error) from error


def free_port(address: str = "127.0.0.1", wanted: int = 0) -> int:
    """`wanted` if nobody listens there, else a port that is free now."""
    try:
        return _bind(address, wanted)
    except OSError:
        return _bind(address, 0)


def _bind(address: str, port: int) -> int:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # Lets connections that linger after their server be, but no listener, shared or not.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((address, port))
        return int(probe.getsockname()[1])


def _refused(address: str, port: int, error: OSError) -> Refused:
    where = f"{address}:{port}"
    if error.errno == errno.EADDRINUSE:
        return Refused(
            "port-taken",
            f"another program listens on {where} already",
            "end it, or give the listener another port; two proxies on one port would share it",
        )
    if error.errno == errno.EACCES:
        return Refused(
            "port-not-allowed",
            f"this user may not listen on {where}",
            "use a port from 1024 up, or give the process CAP_NET_BIND_SERVICE",
        )
    return Refused(
        "port-unusable",
        f"nobody can listen on {where} here: {error.strerror}",
        "use an address of this machine",
    )
