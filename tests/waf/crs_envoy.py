"""A real Envoy with the guard's two WAF filters, for tests that send exact bytes.

Detection only at paranoia 4, answers looked into. Behind it stands an application that answers what
a request to /reflect asks for; the log is the one that Ostiary writes.
"""

from __future__ import annotations

import asyncio
import base64
import concurrent.futures
import contextlib
import json
import queue
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from crs_cases import answered
from envoy_process import Envoy, free_port, run
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from guard_rig import cluster, module, told
from messages import from_raw
from rule_sets import Rules

from ostiary.compiler.waf_log import waf_log
from ostiary.features.roles import Role, early
from ostiary.protos.messages import bootstrap
from ostiary.protos.pool import pool
from ostiary.wire import SCOPE_HEADER, SENT_HEADER, UNSOUND_HEADER

LOG: Final = "waf.log"
_KIND: Final = "type.googleapis.com/envoy.extensions.filters."
Tree = dict[str, Any]
_SCOPE: Final[Tree] = {
    "listener": "waf",
    "wildcards": ["*"],
    "port": "",
    "scope_header": SCOPE_HEADER,
    "authority_header": "x-forwarded-host",
    "unsound_header": UNSOUND_HEADER,
    "any_host": True,
    "keeps_sent": True,
    "strip": {"prefixes": [], "names": []},
}
"""The early hook as a gateway has it, but for what it strips."""
_NO_HOST: Final[Tree] = {
    "match": {
        "prefix": "/",
        "headers": [{"name": UNSOUND_HEADER, "string_match": {"exact": "host"}}],
    },
    "direct_response": {"status": 400},
}
"""Like a gateway, for what is no host name is refused (RFC 9112, section 3.2)."""


@dataclass
class WafEnvoy:
    """What runs."""

    envoy: Envoy
    port: int

    def logged(self) -> dict[str, Tree]:
        """The lines of the log by the id of their request."""
        text = (self.envoy.folder / LOG).read_text()
        return {entry["request_id"]: entry for entry in map(json.loads, text.splitlines())}


@contextlib.contextmanager
def waf_envoy(folder: Path, rules: Rules, **site: object) -> Iterator[WafEnvoy]:
    """Envoy runs with `rules`; `site` is what its only route says beside them."""
    plain = {
        "sources": [{"name": name, "text": text} for name, text in rules.sources],
        "data": dict(rules.data),
    }
    packed = base64.b64encode(zlib.compress(json.dumps(plain).encode())).decode()
    secret: Tree = {"headers": ["authorization", "proxy-authorization"], "cookies": []}
    head = {"sets": {"crs": {"core": rules.core, "packed": packed}}, "secret": secret}
    route = {"set": "crs", "paranoia": 4, "mode": "shadow", "threshold": 5, "response": True}
    route |= {"body_limit": 1 << 20, "log": LOG} | site
    with _reflecting() as upstream:
        port, made = free_port(), bootstrap.Bootstrap()
        ParseDict(_resources(port, upstream, head, route), made, descriptor_pool=pool())
        with run(made, folder, "--file-flush-interval-msec", "20") as envoy:
            yield WafEnvoy(envoy, port)


def _resources(port: int, upstream: int, head: Tree, site: Tree) -> Tree:
    kind = f"{_KIND}http.dynamic_modules.v3.DynamicModuleFilterPerRoute"
    roles = ("waf_head", "waf_body")
    each = {f"ostiary.{role}": {"@type": kind} | told(role, site) for role in roles}
    action = {"cluster": "app", "timeout": "0s"}
    route = {"match": {"prefix": "/"}, "route": action, "typed_per_filter_config": each}
    route["request_headers_to_remove"] = [SENT_HEADER]
    # A request for no path, such as OPTIONS *, has a route too.
    route_any = route | {"match": {"safe_regex": {"regex": ".*"}}}
    router = {"@type": f"{_KIND}http.router.v3.Router"}
    log = _tree(waf_log(LOG))
    manager = {
        "@type": f"{_KIND}network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "waf",
        "route_config": {
            "virtual_hosts": [
                {"name": "v", "domains": ["*"], "routes": [_NO_HOST, route, route_any]}
            ]
        },
        "http_filters": [
            module("waf_head", head),
            module("waf_body", {}),
            {"name": "router", "typed_config": router},
        ],
        "http_protocol_options": {
            "accept_http_10": True,
            "default_host_for_http_10": "none",
            "allow_custom_methods": True,
        },
        "access_log": [log],
        "early_header_mutation_extensions": [_tree(early(Role.SCOPE, _SCOPE))],
    }
    where = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    chain = {"filters": [{"name": "hcm", "typed_config": manager}]}
    listener = {"name": "waf", "address": where, "filter_chains": [chain]}
    return {"static_resources": {"listeners": [listener], "clusters": [cluster("app", upstream)]}}


def _tree(made: Message) -> Tree:
    return MessageToDict(made, descriptor_pool=pool(), preserving_proto_field_name=True)


@contextlib.contextmanager
def _reflecting() -> Iterator[int]:
    """The application: its port."""
    with asyncio.Runner() as runner, concurrent.futures.ThreadPoolExecutor(1) as thread:
        ready: queue.Queue[tuple[int, asyncio.Event]] = queue.Queue()
        done = thread.submit(runner.run, _listen(ready))
        port, end = ready.get(timeout=10)
        try:
            yield port
        finally:
            runner.get_loop().call_soon_threadsafe(end.set)
            done.result(10)


async def _listen(ready: queue.Queue[tuple[int, asyncio.Event]]) -> None:
    end = asyncio.Event()
    server = await asyncio.start_server(_serve, "127.0.0.1", 0)
    ready.put((server.sockets[0].getsockname()[1], end))
    await end.wait()
    server.close()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection, request by request."""
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            message = from_raw(head + await _body(reader, head))
            reply = answered(message)
            pairs = b"".join(b"%s: %s\r\n" % pair for pair in reply.headers)
            size = f"Content-Length: {len(reply.body)}\r\n".encode()
            bare = message.method == b"HEAD" or reply.status in (204, 304)
            first = f"HTTP/1.1 {reply.status} Asked\r\n".encode()
            sent = first + pairs + (b"" if bare else size) + b"\r\n"
            writer.write(sent + (b"" if bare else reply.body))
            await writer.drain()
    writer.close()


async def _body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    names = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])
    }
    if names.get(b"transfer-encoding", b"").lower() != b"chunked":
        return await reader.readexactly(int(names.get(b"content-length", b"0")))
    body = b""
    while size := int(await reader.readline(), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readuntil(b"\r\n")
    return body
