"""A real Envoy with the firewall's two filters, and two applications behind it.

Rule sets come in a file that Envoy watches, as they come over ECDS; so do the routes. Between the
two filters a rule of Envoy's own refuses `/between`, as the rules of a route do. Two listeners:
`edge`, and `held`, where another filter has collected the body before the firewall sees it.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import socket
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import guard_library
from envoy_process import Envoy, free_port, run
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from guard_origin import origin
from guard_rig import Tree, module
from waf_origin import waf_origin

from ostiary.protos.messages import bootstrap, discovery
from ostiary.protos.pool import message_class, pack, pool

_KIND = "type.googleapis.com/"
_HTTP = f"{_KIND}envoy.extensions.filters.http."
_MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_LOG = {
    "code": "%RESPONSE_CODE%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "flags": "%CUSTOM_FLAGS%",
    "path": "%REQ(:PATH)%",
    "waf": "%DYNAMIC_METADATA(ostiary.waf)%",
}
_SAID = (
    "%RESPONSE_CODE_DETAILS%|%DYNAMIC_METADATA(ostiary.waf:label)%"
    "|%DYNAMIC_METADATA(ostiary.waf:where)%"
)
LIMIT = 20_000
OWN = """
SecResponseBodyAccess On
SecResponseBodyMimeType text/plain text/html
SecResponseBodyLimit 524288
SecRule RESPONSE_BODY "@contains leaked-secret" "id:5001,phase:4,deny,status:403,\
msg:'A leak in the answer',severity:2"
SecRule RESPONSE_HEADERS:X-Debug "@unconditionalMatch" "id:5002,phase:3,deny,msg:'Debugging'"
SecRule REQUEST_HEADERS:X-Evil "@contains now" "id:5003,phase:1,deny,msg:'An evil <b>header</b>'"
"""
"""Rules beside the core pack: two about answers, one that refuses a head at once."""


def rules(*texts: str, core: bool = True, data: Mapping[str, str] | None = None) -> Tree:
    """A rule set as the compiler writes it."""
    if not texts:
        return {"core": core}
    sources = [{"name": f"own{index}.conf", "text": text} for index, text in enumerate(texts)]
    plain = json.dumps({"sources": sources, "data": data or {}}).encode()
    return {"core": core, "packed": base64.b64encode(zlib.compress(plain)).decode()}


def site(rule_set: str = "own", **more: object) -> Tree:
    """What a route says to the firewall."""
    said: Tree = {"set": rule_set, "paranoia": 1, "mode": "block", "threshold": 5}
    return said | {"body_limit": LIMIT, "log": "waf.log"} | more


ROUTES: dict[str, Tree | None] = {
    "/plain": None,
    "/shadow": site(mode="shadow"),
    "/quiet": site(log=""),
    "/answers": site(response=True),
    "/recorded": site(record=True, mode="shadow"),
    "/timed": site(timing=True),
    "/excused": site(exclude=[{"rules": [10300, 10301, 10302], "paths": ["/excused/sql/*"]}]),
    "/packed": site(exclude=[{"rules": [10111]}]),
    "/strangers": site(anonymous=True),
    "/test.": site(calls=True),
    "/later": site("later"),
    "/moved": site(),
    "/": site(),
}
"""Routes by prefix."""
SECRET: Tree = {"headers": [], "cookies": ["__Host-ostiary"], "masked": ["password"]}


@dataclass
class WafRig:
    """What runs."""

    envoy: Envoy
    folder: Path
    port: int
    held: int
    clusters: Mapping[str, int]
    settings: Tree = field(default_factory=dict)

    @property
    def state(self) -> Tree:
        """How the firewall is, by the guard's own words."""
        with socket.socket(socket.AF_UNIX) as wire:
            wire.settimeout(5)
            wire.connect(str(self.folder / "guard.sock"))
            wire.sendall(b"GET /state HTTP/1.1\r\nHost: guard\r\n\r\n")
            answer = http.client.HTTPResponse(wire)
            answer.begin()
            found: Tree = json.loads(answer.read())["waf"]
            return found

    def until_idle(self) -> None:
        """Returns when no request is under inspection and no body is held."""
        end = time.monotonic() + 5
        while (state := self.state)["requests"] or state["held"]:
            assert time.monotonic() < end, state
            time.sleep(0.02)

    def logged(self, path: str) -> Tree:
        """The entry of the only request for `path`, as soon as it is there."""
        end = time.monotonic() + 5
        while time.monotonic() < end:
            for entry in self.entries():
                if entry["path"] == path:
                    return entry
            time.sleep(0.02)
        raise AssertionError(f"{path} is not in the log")

    def entries(self) -> list[Tree]:
        """All entries so far."""
        file = self.folder / "access.log"
        lines = file.read_text().splitlines() if file.exists() else []
        return [json.loads(line) for line in lines]

    def sets(self, sets: Mapping[str, Tree], **settings: object) -> None:
        """These rule sets are pushed."""
        said: Tree = {"sets": sets, "secret": SECRET} | settings
        _publish_head(self.folder, said)

    def routes(self, routes: Mapping[str, Tree | None]) -> None:
        """These routes are pushed."""
        _publish_routes(self.folder, routes, self.clusters)

    def stat(self, name: str) -> int:
        """A number of Envoy's."""
        found = self.envoy.admin(f"/stats?filter={name}").split()
        return int(found[-1]) if found else 0

    def until_stat(self, name: str, more_than: int) -> None:
        """Returns when that number has grown."""
        end = time.monotonic() + 10
        while self.stat(name) <= more_than:
            assert time.monotonic() < end, f"{name}: {self.envoy.log[-2000:]}"
            time.sleep(0.02)


@contextlib.contextmanager
def waf_rig(
    folder: Path,
    *options: str,
    sets: Mapping[str, Tree] | None = None,
    library: Path | None = None,
    **settings: object,
) -> Iterator[WafRig]:
    """Everything runs; `settings` are the listener's, `library` is the folder of another build."""
    guard_library.needed(library=library)
    said: Tree = {"sets": sets or {"own": rules(OWN), "core": rules()}, "secret": SECRET}
    with origin() as streams, waf_origin() as application:
        clusters = {"app": application, "streams": streams.http, "calls": streams.grpc}
        _publish_head(folder, said | settings)
        _publish_routes(folder, ROUTES, clusters)
        ports = (free_port(), free_port())
        made = bootstrap.Bootstrap()
        node = {"id": "test", "cluster": "test"}
        resources = {"node": node, "static_resources": _resources(folder, ports, clusters)}
        ParseDict(resources, made, descriptor_pool=pool())
        with run(made, folder, "--file-flush-interval-msec", "20", *options) as envoy:
            yield WafRig(envoy, folder, *ports, clusters)


def _resources(folder: Path, ports: tuple[int, int], clusters: Mapping[str, int]) -> Tree:
    silent = {"cluster": "nobody", "table": ""}
    guard = [_manager("guard", [module("verdicts", silent)], folder, log=False)]
    where: Tree = {"pipe": {"path": str(folder / "guard.sock"), "mode": 0o600}}
    listeners = [{"name": "guard", "address": where, "filter_chains": [{"filters": guard}]}]
    buffer = {"name": "buffer", "typed_config": _of("buffer.v3.Buffer", max_request_bytes=1 << 20)}
    for name, port, between in (("edge", ports[0], _between()), ("held", ports[1], buffer)):
        filters = [_watched("ostiary.waf_head", folder), between, module("waf_body", {})]
        chain = {"filters": [_manager(name, filters, folder)]}
        where = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
        listener: Tree = {"name": name, "address": where, "filter_chains": [chain]}
        listeners.append(listener | {"per_connection_buffer_limit_bytes": 32_768})
    made = [_cluster(name, port, http2=name == "calls") for name, port in clusters.items()]
    return {"listeners": listeners, "clusters": [*made, _cluster("nobody", 1, http2=True)]}


def _of(kind: str, **fields: object) -> Tree:
    return {"@type": f"{_HTTP}{kind}"} | fields


def _between() -> Tree:
    refused = {"url_path": {"path": {"prefix": "/between"}}}
    policy = {"permissions": [refused], "principals": [{"any": True}]}
    config = _of("rbac.v3.RBAC", rules={"action": "DENY", "policies": {"between": policy}})
    return {"name": "between", "typed_config": config}


def _watched(name: str, folder: Path) -> Tree:
    kind = f"{_HTTP}dynamic_modules.v3.DynamicModuleFilter"
    source = {"path_config_source": {"path": str(folder / "head.pb")}}
    discovered = {"config_source": source | {"resource_api_version": "V3"}, "type_urls": [kind]}
    return {"name": name, "config_discovery": discovered}


def _manager(name: str, filters: list[Tree], folder: Path, *, log: bool = True) -> Tree:
    router = {"name": "router", "typed_config": _of("router.v3.Router")}
    made: Tree = {
        "@type": f"{_KIND}{_MANAGER}",
        "stat_prefix": name,
        "http_filters": [*filters, router],
        "use_remote_address": True,
        "xff_num_trusted_hops": 1,
        "normalize_path": True,
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "http2_protocol_options": {"allow_connect": True},
    }
    if not log:
        virtual = {"name": "v", "domains": ["*"], "routes": []}
        return {
            "name": "hcm",
            "typed_config": made | {"route_config": {"virtual_hosts": [virtual]}},
        }
    source = {"path_config_source": {"path": str(folder / "routes.pb")}}
    found = {"config_source": source | {"resource_api_version": "V3"}, "route_config_name": "r"}
    kind = f"{_KIND}envoy.extensions.access_loggers.file.v3.FileAccessLog"
    file = {"@type": kind, "path": str(folder / "access.log"), "log_format": {"json_format": _LOG}}
    said = {"body_format": {"text_format_source": {"inline_string": _SAID}}}
    made |= {
        "local_reply_config": said,
        "rds": found,
        "access_log": [{"name": "file", "typed_config": file}],
    }
    return {"name": "hcm", "typed_config": made}


def _publish_head(folder: Path, said: Tree) -> None:
    kind = "envoy.config.core.v3.TypedExtensionConfig"
    made = message_class(kind)()
    ParseDict(module("waf_head", said), made, descriptor_pool=pool())
    _publish(folder / "head.pb", kind, made)


def _publish_routes(
    folder: Path, routes: Mapping[str, Tree | None], clusters: Mapping[str, int]
) -> None:
    made = [_route(prefix, said) for prefix, said in routes.items()]
    streams = [_route(prefix, site(), "streams") for prefix in ("/sse", "/ws", "/refuse")]
    streams += [_route("/watched/sse", site(response=True), "streams", "/sse")]
    streams += [_route("/test.", site(), "calls")]
    host = {"name": "v", "domains": ["*"], "routes": [*streams, *made]}
    kind = "envoy.config.route.v3.RouteConfiguration"
    found = message_class(kind)()
    ParseDict({"name": "r", "virtual_hosts": [host]}, found, descriptor_pool=pool())
    _publish(folder / "routes.pb", kind, found)


def _route(prefix: str, said: Tree | None, cluster: str = "app", rewrite: str = "") -> Tree:
    kind = f"{_HTTP}dynamic_modules.v3.DynamicModuleFilterPerRoute"
    action: dict[str, Any] = {"cluster": cluster, "timeout": "0s"}
    if prefix == "/moved":
        action["internal_redirect_policy"] = {}
    if rewrite:
        action["prefix_rewrite"] = rewrite
    made: Tree = {"match": {"prefix": prefix}, "route": action}
    if said is None:
        return made
    each = {}
    for role in ("waf_head", "waf_body"):
        each[f"ostiary.{role}"] = module(role, said)["typed_config"] | {"@type": kind}
    return made | {"typed_per_filter_config": each}


def _publish(path: Path, kind: str, message: Message) -> None:
    version = str(time.monotonic_ns())
    response = discovery.DiscoveryResponse(version_info=version, type_url=f"{_KIND}{kind}")
    response.resources.append(pack(message))
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(response.SerializeToString())
    fresh.replace(path)


def _cluster(name: str, port: int, *, http2: bool = False) -> Tree:
    where = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    ends = [{"lb_endpoints": [{"endpoint": {"address": where}}]}]
    load = {"cluster_name": name, "endpoints": ends}
    made: Tree = {"name": name, "type": "STATIC", "load_assignment": load}
    breakers = {"max_connections": 4096, "max_pending_requests": 4096, "max_requests": 4096}
    made["circuit_breakers"] = {"thresholds": [breakers]}
    if http2:
        kind = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
        explicit: Tree = {"http2_protocol_options": {}}
        options = {"@type": f"{_KIND}{kind}", "explicit_http_config": explicit}
        made["typed_extension_protocol_options"] = {kind: options}
    return made
