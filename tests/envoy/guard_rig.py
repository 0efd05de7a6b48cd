"""A real Envoy with the guard, a control plane and an application of a few lines around it.

`/admin`-like facts come from the guard's own socket. Three listeners: `edge` signs people in by
cookie (roles who and handover), `open` knows addresses only, `mini` reads assertions. All of them
believe one hop of X-Forwarded-For, so that every test may have an address of its own.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import guard_library
from envoy_process import Envoy, free_port, run
from google.protobuf.json_format import ParseDict
from guard_control import Control
from guard_origin import Origin, origin
from joserfc import jwt as tokens
from joserfc.jwk import ECKey

from ostiary.protos.messages import bootstrap
from ostiary.protos.pool import pool

KEY = ECKey.generate_key("P-256", {"kid": "k1", "alg": "ES256", "use": "sig"})
ISSUER = "https://id.test"
MINI = "spiffe://test/gateway/mini"
COOKIE = "__Host-ostiary-session"
STALE_AFTER = 1.5
DELAYED_CLOSE = 0.3
"""Seconds for which Envoy leaves a connection open that it has ended."""
_KIND = "type.googleapis.com/"
_EXTENSIONS = f"{_KIND}envoy.extensions."
_LOG = {
    "code": "%RESPONSE_CODE%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "flags": "%CUSTOM_FLAGS%",
    "path": "%REQ(:PATH)%",
    "trust": "%DYNAMIC_METADATA(ostiary.trust)%",
    "claims": "%DYNAMIC_METADATA(envoy.filters.http.jwt_authn)%",
}
_COUNTED = ("connections", "pending_requests", "requests")
_addresses = itertools.count(1)
Tree = dict[str, Any]


def fresh_address() -> str:
    """An address no test had before."""
    number = next(_addresses)
    return f"10.7.{number // 250}.{number % 250 + 1}"


def fresh_user() -> str:
    """A name no test had before."""
    return f"user-{next(_addresses)}"


def session(user: str, **claims: object) -> str:
    """A session token of `user`, signed in just now."""
    now = int(time.time())
    how = f"acme pwd {claims.pop('auth_time', now)}"
    said: Tree = {"aud": "ostiary:session", "sub": user, "sid": f"sid-{user}", "how": how}
    said |= {"exp": now + 60, "iat": now, "assertion": f"assertion-of-{user}"}
    return signed("ostiary-session+jwt", said | claims)


def signed(typ: str, claims: Tree, key: ECKey = KEY) -> str:
    """A token; what it says is up to the test."""
    header = {"alg": "ES256", "kid": "k1", "typ": typ}
    return tokens.encode(header, {"iss": ISSUER} | claims, key)


@dataclass
class Rig:
    """What runs."""

    envoy: Envoy
    control: Control
    origin: Origin
    ports: dict[str, int] = field(default_factory=dict)

    @property
    def state(self) -> Tree:
        """How the guard is, by its own words."""
        with socket.socket(socket.AF_UNIX) as wire:
            wire.settimeout(5)
            wire.connect(str(self.envoy.folder / "guard.sock"))
            wire.sendall(b"GET /state HTTP/1.1\r\nHost: guard\r\n\r\n")
            answer = http.client.HTTPResponse(wire)
            answer.begin()
            found: Tree = json.loads(answer.read())
            return found

    def until(self, **wanted: object) -> None:
        """Returns when the guard's state is this."""
        end = time.monotonic() + 5
        while time.monotonic() < end:
            state = self.state
            if all(state[name] == value for name, value in wanted.items()):
                return
            time.sleep(0.02)
        raise AssertionError(f"{wanted}, but {state}")

    def until_more_streams(self) -> None:
        """Returns when a request that was just sent has been judged: nothing else is slower."""
        seen = self.envoy.admin("/stats?filter=http.(edge|open|mini).downstream_rq_total")
        end = time.monotonic() + 0.05
        while time.monotonic() < end:
            time.sleep(0.01)
            now = self.envoy.admin("/stats?filter=http.(edge|open|mini).downstream_rq_total")
            if now != seen:
                seen, end = now, time.monotonic() + 0.05

    def logged(self, path: str) -> Tree:
        """The entry of the only request for `path`, as soon as it is there."""
        end = time.monotonic() + 5
        file = self.envoy.folder / "access.log"
        while time.monotonic() < end:
            lines = file.read_text().splitlines() if file.exists() else []
            for line in lines:
                entry: Tree = json.loads(line)
                if entry["path"] == path:
                    return entry
            time.sleep(0.02)
        raise AssertionError(f"{path} is not in the log")


@contextlib.contextmanager
def rig(folder: Path, *, control: bool = True, library: Path | None = None) -> Iterator[Rig]:
    """Everything runs; without `control` nobody answers for the control plane yet.

    `library` is the folder of another build of the guard.
    """
    guard_library.needed(library=library)
    ports = {name: free_port() for name in ("edge", "open", "mini", "control")}
    plane = Control(ports["control"])
    if control:
        plane.start()
    try:
        with origin() as application, running(folder, ports, application) as envoy:
            made = Rig(envoy, plane, application, ports)
            if control:
                plane.settled()
                made.until(connected=True)
            yield made
    finally:
        plane.close()


def running(
    folder: Path, ports: dict[str, int], application: Origin
) -> contextlib.AbstractContextManager[Envoy]:
    """Envoy alone, with whatever the folder remembers."""
    made = bootstrap.Bootstrap()
    ParseDict(
        {"static_resources": _resources(folder, ports, application)}, made, descriptor_pool=pool()
    )
    return run(made, folder, "--file-flush-interval-msec", "20")


def _resources(folder: Path, ports: dict[str, int], application: Origin) -> Tree:
    config = {"cluster": "control", "table": str(folder / "table.bin")}
    guard = [manager("guard", [module("verdicts", config)], folder, log=False)]
    socket_file = {"pipe": {"path": str(folder / "guard.sock"), "mode": 0o600}}
    listeners = [{"name": "guard", "address": socket_file, "filter_chains": [{"filters": guard}]}]
    for name, filters in _filters().items():
        where = {"socket_address": {"address": "127.0.0.1", "port_value": ports[name]}}
        below = connection({"carries": "http", "address": False, "refuse": False})
        chain = {"filters": [below, manager(name, filters, folder)]}
        listeners.append({"name": name, "address": where, "filter_chains": [chain]})
    clusters = [
        cluster("app", application.http),
        cluster("calls", application.grpc, http2=True),
        cluster("control", ports["control"], http2=True),
    ]
    return {"listeners": listeners, "clusters": clusters}


def _filters() -> dict[str, list[Tree]]:
    jwks = {"keys": [KEY.as_dict(private=False)]}
    both = {"issuer": ISSUER, "jwks": jwks, "token_lifetime": 60}
    both |= {"skew": 5, "cookie": COOKIE, "prefix": "__Host-ostiary-"}
    more = {"lifetime": 30, "offline_grace": 300, "header": "x-ostiary-handover"}
    mini: Tree = {"issuer": ISSUER, "jwks": jwks, "audience": MINI, "lifetime": 300, "skew": 5}
    mini |= {"offline_grace": 0, "header": "x-ostiary-assertion", "route": {"risk": True}}
    return {
        "edge": [
            module("who", both | {"absolute_lifetime": 3600}),
            module("handover", both | more),
        ],
        "open": [module("address", {"prefix": "__Host-ostiary-"})],
        "mini": [module("assertion", mini)],
    }


def module(role: str, config: Tree) -> Tree:
    """A filter of the guard."""
    kind = f"{_EXTENSIONS}filters.http.dynamic_modules.v3.DynamicModuleFilter"
    return {"name": f"ostiary.{role}", "typed_config": {"@type": kind} | told(role, config)}


def connection(config: Tree) -> Tree:
    """The filter of the guard that stands before all others."""
    kind = f"{_EXTENSIONS}filters.network.dynamic_modules.v3.DynamicModuleNetworkFilter"
    return {
        "name": "ostiary.connection",
        "typed_config": {"@type": kind} | told("connection", config),
    }


def told(role: str, config: Tree) -> Tree:
    """What every filter of the guard is told, whatever it filters."""
    text = {"@type": f"{_KIND}google.protobuf.StringValue", "value": json.dumps(config)}
    library = {"name": "ostiary_guard", "do_not_close": True}
    return {"dynamic_module_config": library, "filter_name": role, "filter_config": text}


def manager(name: str, filters: list[Tree], folder: Path, *, log: bool = True) -> Tree:
    """What serves HTTP/1.1 and HTTP/2; its log is `access.log`."""
    kind = f"{_EXTENSIONS}filters.network.http_connection_manager.v3.HttpConnectionManager"
    router = {"@type": f"{_EXTENSIONS}filters.http.router.v3.Router"}
    made: Tree = {
        "@type": kind,
        "stat_prefix": name,
        "route_config": {"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": _routes()}]},
        "http_filters": [*filters, {"name": "router", "typed_config": router}],
        "use_remote_address": True,
        "xff_num_trusted_hops": 1,
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "http2_protocol_options": {"allow_connect": True},
        "delayed_close_timeout": f"{DELAYED_CLOSE}s",
    }
    if log:
        kind = f"{_EXTENSIONS}access_loggers.file.v3.FileAccessLog"
        where = {
            "@type": kind,
            "path": str(folder / "access.log"),
            "log_format": {"json_format": _LOG},
        }
        made["access_log"] = [{"name": "file", "typed_config": where}]
    return {"name": "hcm", "typed_config": made}


def _routes() -> list[Tree]:
    trust = {"stale_after_ms": int(STALE_AFTER * 1000), "then": "deny"}
    keep = trust | {"then": "keep"}
    plain = {"host": "*", "cookies": True}
    calls = {"cluster": "calls", "timeout": "0s"}
    app = {"cluster": "app", "timeout": "0s"}
    return [
        _route("/trusted", app, plain | {"trust": trust}),
        _route("/keeping", app, plain | {"trust": keep}),
        _route("/risky", app, plain | {"risk": True}),
        _route("/test.Trusted", calls, plain | {"trust": trust}),
        _route("/test.", calls, plain),
        _route("/", app, plain),
    ]


def _route(prefix: str, action: Tree, settings: Tree) -> Tree:
    kind = f"{_EXTENSIONS}filters.http.dynamic_modules.v3.DynamicModuleFilterPerRoute"
    each = {
        f"ostiary.{role}": {"@type": kind} | told(role, settings)
        for role in ("who", "handover", "address")
    }
    return {"match": {"prefix": prefix}, "route": action, "typed_per_filter_config": each}


def cluster(name: str, port: int, *, http2: bool = False) -> Tree:
    """A server on this machine."""
    where = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    ends = [{"lb_endpoints": [{"endpoint": {"address": where}}]}]
    made: Tree = {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": ends},
        "circuit_breakers": {"thresholds": [{f"max_{what}": 20_000 for what in _COUNTED}]},
    }
    if http2:
        kind = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
        explicit: Tree = {"http2_protocol_options": {}}
        options = {"@type": f"{_KIND}{kind}", "explicit_http_config": explicit}
        made["typed_extension_protocol_options"] = {kind: options}
    return made
