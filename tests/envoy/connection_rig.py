"""A real Envoy whose connections the guard looks after: raw ones, and ones that carry requests.

`tcp`, `fresh` and `tls` pass bytes on to the application, `fresh` as long as the table is fresh,
`tls` under mutual TLS. `mini` and `edge` speak HTTP: `mini` under mutual TLS and closed to denied
peers, `edge` open to all, with words for who is denied.
The listeners come from a file, so that a test can swap their filter chains.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import guard_library
from envoy_process import free_port, run
from google.protobuf.json_format import MessageToDict, ParseDict
from guard_control import Control
from guard_origin import Origin, origin
from guard_rig import Rig, Tree, cluster, connection, manager, module
from xds_certificates import Authority

from ostiary.compiler.logs import CONNECTION, connection_log, line
from ostiary.protos.messages import bootstrap
from ostiary.protos.pool import pool

STALE_AFTER = 1.5
PORTS = ("tcp", "fresh", "tls", "mini", "edge", "control")
SERVER = "spiffe://test/service/server"
_KIND = "type.googleapis.com/"
_EXTENSIONS = f"{_KIND}envoy.extensions."
_LOG = {
    "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "peer": "%DOWNSTREAM_PEER_URI_SAN%",
    "details": "%CONNECTION_TERMINATION_DETAILS%",
    "close": "%DOWNSTREAM_LOCAL_CLOSE_REASON%",
    "trust": "%DYNAMIC_METADATA(ostiary.trust)%",
}
_numbers = itertools.count(1)


def fresh_source() -> str:
    """An address of this machine that no test had before."""
    number = next(_numbers)
    return f"127.8.{number // 250}.{number % 250 + 1}"


def fresh_peer() -> str:
    """A SPIFFE id no test had before."""
    return f"spiffe://test/service/peer-{next(_numbers)}"


@dataclass
class Connections(Rig):
    """What runs."""

    folder: Path = field(default_factory=Path)
    authority: Authority = field(default_factory=Authority)
    swaps: int = 0

    def identity(self, *peer: str) -> ssl.SSLContext:
        """Proves to be `peer`."""
        pair = self.authority.issue(*peer)
        file = self.folder / "client.pem"
        file.write_bytes(pair.certificate + pair.key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.load_cert_chain(file)
        return context

    def swap(self, *, guarded: bool = True) -> None:
        """Every filter chain is another one soon; what is open in the old ones goes on."""
        self.swaps += 1
        write_listeners(self.folder, self.ports, self.swaps, guarded=guarded)

    def reached(self) -> int:
        """How many connections the application had from `tcp` and `tls`."""
        text = self.envoy.admin("/stats?filter=^cluster.raw.upstream_cx_total$")
        return int(text.rpartition(":")[2])

    def told(self) -> list[str]:
        """What the control plane would be told of connections."""
        file = self.folder / "told.log"
        return file.read_text().splitlines() if file.exists() else []

    def closed(self, client: str) -> Tree:
        """The entry of the last connection from `client`, as soon as there is one."""
        end = time.monotonic() + 5
        file = self.folder / "connections.log"
        while time.monotonic() < end:
            lines = file.read_text().splitlines() if file.exists() else []
            for text in reversed(lines):
                entry: Tree = json.loads(text)
                if client in (entry["client"], entry["peer"]):
                    return entry
            time.sleep(0.02)
        raise AssertionError(f"{client} is not in the log")


@contextlib.contextmanager
def connection_rig(folder: Path, workers: int = 1) -> Iterator[Connections]:
    """Everything runs, and the guard knows the control plane."""
    guard_library.needed()
    ports = {name: free_port() for name in PORTS}
    authority = Authority()
    pair = authority.issue(SERVER)
    (folder / "server.pem").write_bytes(pair.certificate)
    (folder / "server.key").write_bytes(pair.key)
    (folder / "authority.pem").write_bytes(authority.pem)
    write_listeners(folder, ports, 0)
    plane = Control(ports["control"])
    plane.start()
    try:
        with origin() as application:
            made = bootstrap.Bootstrap()
            config = _bootstrap(folder, application, ports["control"])
            ParseDict(config, made, descriptor_pool=pool())
            options = ("--file-flush-interval-msec", "20", "--drain-time-s", "1")
            with run(made, folder, *options, workers=workers) as envoy:
                rig = Connections(envoy, plane, application, ports, folder, authority)
                plane.settled()
                rig.until(connected=True)
                yield rig
    finally:
        plane.close()


def write_listeners(
    folder: Path, ports: dict[str, int], turn: int, *, guarded: bool = True
) -> None:
    """Each turn has filter chains of its own; whole or not at all."""
    kind = f"{_KIND}envoy.config.listener.v3.Listener"
    made = [{"@type": kind} | one for one in _listeners(folder, ports, turn)]
    if not guarded:
        for one in made:
            del one["filter_chains"][0]["filters"][0]
    fresh = folder / "listeners.new"
    fresh.write_text(json.dumps({"version_info": str(turn), "resources": made}))
    fresh.replace(folder / "listeners.json")


def _bootstrap(folder: Path, application: Origin, control: int) -> Tree:
    config = {"cluster": "control", "table": str(folder / "table.bin")}
    guard = [manager("guard", [module("verdicts", config)], folder, log=False)]
    socket_file = {"pipe": {"path": str(folder / "guard.sock"), "mode": 0o600}}
    static = {"name": "guard", "address": socket_file, "filter_chains": [{"filters": guard}]}
    clusters = [cluster(name, application.http) for name in ("app", "raw")]
    clusters.append(cluster("calls", application.grpc, http2=True))
    clusters.append(cluster("control", control, http2=True))
    source: Tree = {"path_config_source": {"path": str(folder / "listeners.json")}}
    return {
        "node": {"id": "test", "cluster": "test"},
        "static_resources": {"listeners": [static], "clusters": clusters},
        "dynamic_resources": {"lds_config": source | {"resource_api_version": "V3"}},
    }


def _listeners(folder: Path, ports: dict[str, int], turn: int) -> list[Tree]:
    trust = {"stale_after_ms": int(STALE_AFTER * 1000), "then": "deny"}
    raw: Tree = {"carries": "tcp", "address": True, "refuse": True}
    http: Tree = {"carries": "http", "address": True}
    mini = {"issuer": "x", "jwks": {"keys": []}, "audience": SERVER, "lifetime": 300, "skew": 5}
    mini |= {"offline_grace": 0, "header": "x-ostiary-assertion", "route": {}}
    address = module("address", {"prefix": "__Host-ostiary-"})
    proxy = {"@type": f"{_EXTENSIONS}filters.network.tcp_proxy.v3.TcpProxy"}
    proxy |= {"stat_prefix": "raw", "cluster": "raw"}
    passing: Tree = {"name": "raw", "typed_config": proxy}
    # Nobody is reached for a peer that has not proved who it is.
    proved = {"upstream_connect_mode": "ON_DOWNSTREAM_TLS_HANDSHAKE", "max_early_data_bytes": 1024}
    proved_passing: Tree = {"name": "raw", "typed_config": proxy | proved}
    chains = {
        "tcp": [connection(raw), passing],
        "fresh": [connection(raw | {"trust": trust}), passing],
        "tls": [connection(raw), proved_passing],
        "mini": [
            connection(http | {"refuse": True}),
            manager("mini", [module("assertion", mini)], folder),
        ],
        "edge": [connection(http | {"refuse": False}), manager("edge", [address], folder)],
    }
    return [_listener(name, folder, ports[name], filters, turn) for name, filters in chains.items()]


def _listener(name: str, folder: Path, port: int, filters: list[Tree], turn: int) -> Tree:
    chain: Tree = {"name": f"{name}-{turn}", "filters": filters}
    if name in ("tls", "mini"):
        chain["transport_socket"] = _mutual_tls(folder)
    kind = f"{_EXTENSIONS}access_loggers.file.v3.FileAccessLog"
    log: Tree = {"@type": kind, "path": str(folder / "connections.log")}
    log |= {"log_format": {"json_format": _LOG}}
    told: Tree = {"@type": kind, "path": str(folder / "told.log")}
    text = {"inline_string": line([], set(), CONNECTION) + "\n"}
    told |= {"log_format": {"text_format_source": text}}
    which = MessageToDict(connection_log().filter, descriptor_pool=pool())
    return {
        "name": name,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [chain | {"metadata": {"filter_metadata": {"turn": {"is": turn}}}}],
        "access_log": [
            {"name": "all", "typed_config": log},
            {"name": "told", "typed_config": told, "filter": which},
        ],
    }


def _mutual_tls(folder: Path) -> Tree:
    def file(name: str) -> Tree:
        return {"filename": str(folder / name)}

    pair = {"certificate_chain": file("server.pem"), "private_key": file("server.key")}
    common = {
        "tls_certificates": [pair],
        "validation_context": {"trusted_ca": file("authority.pem")},
    }
    kind = f"{_EXTENSIONS}transport_sockets.tls.v3.DownstreamTlsContext"
    context = {"@type": kind, "common_tls_context": common, "require_client_certificate": True}
    return {"name": "tls", "typed_config": context}
