"""Bare Envoys: the yardstick (a plain proxy, one worker) and the application behind it.

The yardstick is what a person gets from the shortest working configuration: no access log, no
checks. The application is an Envoy too, because every machine that can run Ostiary has one: it
answers 200 with 1 KiB by itself.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from ostiary.protos.descriptors import envoy_binary

BODY: Final = "x" * 1024
LONGEST_ANSWER: Final = 65_536
"""Bytes that the application answers by itself."""
_TYPE: Final = "type.googleapis.com/envoy.extensions."
Tree = dict[str, Any]


def free_port() -> int:
    """A TCP port on loopback that was free a moment ago."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextlib.contextmanager
def application(folder: Path, name: str = "application") -> Iterator[tuple[int, int]]:
    """The application, or whatever else answers 200 to everything: (pid, port)."""
    port = free_port()
    answer = {"status": 200, "body": {"inline_string": BODY}}
    route = {"match": {"prefix": "/"}, "direct_response": answer}
    with running(folder, name, [listener(name, port, [route])], []) as pid:
        await_port(port)
        yield pid, port


@contextlib.contextmanager
def yardstick(
    folder: Path, upstream: int, *, tls: bool, authorizer: int | None = None
) -> Iterator[tuple[int, int]]:
    """The plain proxy before `upstream`: (pid, port).

    With `authorizer` it asks an HTTP server on that port about every request, cookies and all.
    """
    port, name = free_port(), "secure" if tls else "plain"
    if authorizer is not None:
        name = "asking"
    route = {"match": {"prefix": "/"}, "route": {"cluster": "application"}}
    front = listener(name, port, [route])
    if tls:
        front["filter_chains"][0]["transport_socket"] = _secure(folder)
    clusters = [cluster("application", upstream)]
    if authorizer is not None:
        manager = front["filter_chains"][0]["filters"][0]["typed_config"]
        manager["http_filters"].insert(0, _asks(authorizer))
        clusters.append(cluster("authorizer", authorizer))
    with running(folder, name, [front], clusters) as pid:
        await_port(port)
        yield pid, port


def cluster(name: str, port: int) -> Tree:
    """A server on this machine."""
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": _address(port)}}]}]
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": endpoints},
    }


def _asks(port: int) -> Tree:
    server = {"uri": f"127.0.0.1:{port}", "cluster": "authorizer", "timeout": "1s"}
    allowed = {"patterns": [{"exact": "cookie"}]}
    config = {
        "@type": f"{_TYPE}filters.http.ext_authz.v3.ExtAuthz",
        "http_service": {"server_uri": server},
        "allowed_headers": allowed,
    }
    return {"name": "envoy.filters.http.ext_authz", "typed_config": config}


@contextlib.contextmanager
def running(folder: Path, name: str, listeners: list[Tree], clusters: list[Tree]) -> Iterator[int]:
    """An Envoy with one worker: its pid."""
    file = folder / f"{name}.json"
    file.write_text(
        json.dumps({"static_resources": {"listeners": listeners, "clusters": clusters}})
    )
    command = [str(envoy_binary()), "-c", str(file), "--concurrency", "1", "--disable-hot-restart"]
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--log-level", "error"], stdout=log, stderr=log, cwd=folder
        )
    try:
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def await_port(port: int, patience: float = 10) -> None:
    """Returns when somebody listens."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.01)
    raise TimeoutError(f"nobody listens on {port}")


def _address(port: int) -> Tree:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def listener(name: str, port: int, routes: list[Tree], filters: Sequence[Tree] = ()) -> Tree:
    """A listener without a log; `filters` stand before the router."""
    chain = {"filters": [_manager(name, routes, filters)]}
    return {"name": name, "address": _address(port), "filter_chains": [chain]}


def _manager(name: str, routes: list[Tree], filters: Sequence[Tree]) -> Tree:
    kind = f"{_TYPE}filters.network.http_connection_manager.v3.HttpConnectionManager"
    router = {"@type": f"{_TYPE}filters.http.router.v3.Router"}
    return {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": kind,
            "stat_prefix": name,
            "route_config": {
                "virtual_hosts": [{"name": name, "domains": ["*"], "routes": routes}],
                "max_direct_response_body_size_bytes": LONGEST_ANSWER,
            },
            "http_filters": [
                *filters,
                {"name": "envoy.filters.http.router", "typed_config": router},
            ],
        },
    }


def _secure(folder: Path) -> Tree:
    certificate, key = _certificate(folder)
    pair = {"certificate_chain": {"filename": certificate}, "private_key": {"filename": key}}
    context = {
        "@type": f"{_TYPE}transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": {"tls_certificates": [pair], "alpn_protocols": ["h2", "http/1.1"]},
    }
    return {"name": "envoy.transport_sockets.tls", "typed_config": context}


def _certificate(folder: Path) -> tuple[str, str]:
    """A self-signed P-256 certificate, as Ostiary's own are."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    files = folder / "yardstick.pem", folder / "yardstick.key"
    files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return str(files[0]), str(files[1])
