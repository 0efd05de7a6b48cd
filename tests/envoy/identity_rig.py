"""One real Envoy with the identity slots on it, a real `login` stand-in and an echoing upstream.

The stand-in speaks real gRPC ext_authz and counts its calls; `Rig.answer` says what it answers.
Filters and fragments are put together by the compiler's own two functions, and nothing else of it.
In the mode `guard` the guard takes the place of the filters that stand in for it.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import guard_library
import identity_servers
from google.protobuf.message import Message
from joserfc import jwt as tokens
from joserfc.jwk import ECKey

from ostiary.compiler.routes import join
from ostiary.compiler.slots import filters
from ostiary.features import (
    access,
    cross_site,
    gate,
    guard,
    hygiene,
    login,
    refusals,
    sessions,
    withdrawn,
)
from ostiary.features.fragment import Fragment, ListenerSite, SignInSite, Site
from ostiary.names import local
from ostiary.protos import pack
from ostiary.protos.descriptors import envoy_binary
from ostiary.protos.messages import (
    auth,
    bootstrap,
    cluster,
    core,
    early_mutation,
    endpoint,
    hcm,
    listener,
    matcher,
    mutation_rules,
    route,
    router,
    types,
    upstreams_http,
    wkt,
)
from ostiary.wire import (
    AUTHZ_FAILED_HEADER,
    HANDOVER_AUDIENCE,
    HANDOVER_HEADER,
    HANDOVER_TYPE,
    SESSION_AUDIENCE,
    SESSION_COOKIE,
    SESSION_TYPE,
)

FEATURES = (cross_site, sessions, guard, access, gate, login, hygiene)
MODES = ("stock", "guard")
"""What a fixture of this rig is asked in turn; the second is skipped where no guard is."""
ISSUER = "ostiary"
GROUP_SET = "gv-1"
SIGN_IN = SignInSite("login.test", "https://login.test:8443", GROUP_SET)


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: list[tuple[str, str]]
    body: str

    def header(self, name: str) -> str:
        """All values of `name`, joined."""
        return ", ".join(value for key, value in self.headers if key.lower() == name)

    @property
    def seen(self) -> dict[str, Any]:
        """What the upstream saw: method, headers (last wins), body."""
        return dict(json.loads(self.body))


@dataclass
class Rig:
    """A running Envoy and everything around it."""

    port: int
    key: Any
    calls: list[Any] = field(default_factory=list)
    answer: Callable[[Any], Any] | None = None
    login_server: Any = None
    upstream: Any = None
    extra_set_cookies: list[str] = field(default_factory=list)

    def reply(self, request: Any) -> Any:
        """What `login` answers now; the refusal page unless a test says otherwise."""
        return (self.answer or refuse)(request)

    def token(self, key: Any = None, **claims: Any) -> str:
        """A session token for `notes.test`, 60 s; a claim that is None is left out."""
        now = int(time.time())
        made = {
            "iss": ISSUER,
            "aud": SESSION_AUDIENCE,
            "sid": "s1",
            "sub": "editor",
            "email": "editor@corp.example",
            "host": "notes.test",
            "groups": ["staff"],
            "gv": GROUP_SET,
            "iat": now,
            "exp": now + 60,
            "assertion": "the-assertion",
        } | claims
        present = {name: value for name, value in made.items() if value is not None}
        kind = HANDOVER_TYPE if made["aud"] == HANDOVER_AUDIENCE else SESSION_TYPE
        header = {"alg": "ES256", "kid": "k1", "typ": kind}
        return str(tokens.encode(header, present, key or self.key))

    def expired(self, seconds: int = 30, **claims: Any) -> str:
        """A token of ours that ended `seconds` ago."""
        now = int(time.time())
        return self.token(iat=now - seconds - 60, exp=now - seconds, **claims)

    def request(
        self,
        path: str = "/",
        method: str = "GET",
        *,
        token: str | None = None,
        cookie: str | None = None,
        host: str = "notes.test",
        body: str | None = None,
        headers: Sequence[tuple[str, str]] | Mapping[str, str] = (),
    ) -> Answer:
        """One request on its own connection; header names may repeat."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        connection.putheader("host", host)
        if token is not None:
            connection.putheader("cookie", f"{SESSION_COOKIE}={token}")
        if cookie is not None:
            connection.putheader("cookie", cookie)
        given = headers.items() if isinstance(headers, Mapping) else headers
        for name, value in given:
            connection.putheader(name, value)
        raw = None if body is None else body.encode()
        if raw is not None:
            connection.putheader("content-length", str(len(raw)))
        connection.endheaders(raw)
        try:
            got = connection.getresponse()
            return Answer(got.status, got.getheaders(), got.read().decode())
        finally:
            connection.close()

    def hands_over(self, **claims: Any) -> Callable[[Any], Any]:
        """An answer of `login`: silent refresh, with a fresh cookie for the client."""

        def answer(_: Any) -> Any:
            exp = int(time.time()) + 30
            fresh = self.token(**({"aud": HANDOVER_AUDIENCE, "exp": exp} | claims))
            ok = auth.OkHttpResponse(
                headers=[_option(HANDOVER_HEADER, fresh)],
                response_headers_to_add=[_option("set-cookie", f"{SESSION_COOKIE}=FRESH; Path=/")],
            )
            return auth.CheckResponse(status={"code": 0}, ok_response=ok)

        return answer


def refuse(_: Any) -> Any:
    """An answer of `login`: the refusal page."""
    denied = auth.DeniedHttpResponse(
        status=types.HttpStatus(code=403),
        body="the page of login",
        headers=[_option("content-type", "text/html")],
    )
    return auth.CheckResponse(status={"code": 7}, denied_response=denied)


def site(path: str, levels: Any, **changes: Any) -> tuple[str, Site]:
    """A route at the prefix `path` of `notes.test`."""
    values: dict[str, Any] = {
        "host": "notes.test",
        "origin": "https://notes.test:8443",
        "policy": "hash",
        "sign_in": SIGN_IN,
    } | changes
    return path, Site(route=local("notes"), levels=levels, **values)


@contextlib.contextmanager
def rig(
    folder: Path,
    sites: Sequence[tuple[str, Site]],
    offline_grace: int = 0,
    mode: str = "stock",
    issuers: str = "{}",
) -> Iterator[Rig]:
    """Serve `sites` (path prefix, site); a longer prefix of one host wins."""
    if mode == "guard":
        guard_library.needed()
    sites = [(prefix, replace(one, guard=mode == "guard")) for prefix, one in sites]
    key = ECKey.generate_key("P-256", {"kid": "k1", "alg": "ES256", "use": "sig"})
    made = Rig(port=free_port(), key=key)
    upstream = made.upstream = identity_servers.upstream(made.extra_set_cookies)
    made.login_server, login_port = identity_servers.login(made.calls, made.reply)
    site_facts = ListenerSite(
        issuer=ISSUER,
        jwks=json.dumps({"keys": [key.as_dict(private=False)]}),
        authz_cluster="authz",
        port=8443,
        sign_in=SIGN_IN,
        token_lifetime=60,
        absolute_lifetime=3600,
        offline_grace=offline_grace,
        guard=mode == "guard",
        issuers=issuers,
    )
    clusters = [_cluster("app", upstream.server_port), _cluster("authz", login_port, http2=True)]
    config = bootstrap.Bootstrap(
        admin=bootstrap.Admin(address=_address(0)),
        static_resources=bootstrap.Bootstrap.StaticResources(
            listeners=[_listener(made.port, site_facts, sites)], clusters=clusters
        ),
    )
    try:
        with envoy(folder, config, made.port):
            yield made
    finally:
        made.login_server.stop(0).wait()
        upstream.shutdown()
        upstream.server_close()


@contextlib.contextmanager
def envoy(folder: Path, config: Message, port: int) -> Iterator[None]:
    """Run Envoy on `config` until it listens on `port`; end it by its own process."""
    path = folder / "envoy.pb"
    path.write_bytes(config.SerializeToString())
    log = folder / "envoy.log"
    command = [str(envoy_binary()), "-c", str(path), "--concurrency", "1"]
    command += ["--use-dynamic-base-id", "-l", os.environ.get("RIG_LOG", "warn")]
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
        try:
            _wait(process, port, log)
            yield
        finally:
            process.terminate()
            process.wait(10)


def fold(site_at: Site, parts: Sequence[Fragment], match: Any, target: str) -> Any:
    """One Envoy route out of fragments."""
    one = route.Route(match=match, route=route.RouteAction(cluster=target))
    join(one, parts)
    return one


def http_filters(facts: ListenerSite) -> list[Any]:
    """Every slot, off, in the order of its stage; the router last."""
    made = [
        hcm.HttpFilter(name=f.name, typed_config=pack(f.config), disabled=True)
        for f in filters(facts)
    ]
    return [*made, hcm.HttpFilter(name="router", typed_config=pack(router.Router()))]


def static_listener(port: int, manager: Any) -> Any:
    """A plain-text listener on loopback."""
    chain = listener.FilterChain(filters=[listener.Filter(name="http", typed_config=pack(manager))])
    return listener.Listener(name="edge", address=_address(port), filter_chains=[chain])


def strip() -> Any:
    """Take our own headers from clients, before anything reads them."""
    mutation = mutation_rules.HeaderMutation
    prefixes = [
        mutation(
            remove_on_match=mutation.RemoveOnMatch(key_matcher=matcher.StringMatcher(prefix=prefix))
        )
        for prefix in ("x-ostiary-", "x-envoy-")
    ]
    early = early_mutation.HeaderMutation(mutations=prefixes)
    return core.TypedExtensionConfig(name="strip", typed_config=pack(early))


def _listener(port: int, facts: ListenerSite, sites: Sequence[tuple[str, Site]]) -> Any:
    hosts: dict[str, list[Any]] = {}
    for prefix, one in sorted(sites, key=lambda pair: -len(pair[0])):
        parts = [f.fragment(one) for f in FEATURES]
        parts += [block.fragment(one) for block in one.blocks.values() if block.feature == "limits"]
        made = fold(one, parts, route.RouteMatch(prefix=prefix), "app")
        hosts.setdefault(one.host, []).append(made)
    table = route.RouteConfiguration(
        name="routes",
        virtual_hosts=[
            route.VirtualHost(name=host, domains=[host], routes=routes)
            for host, routes in hosts.items()
        ],
        request_headers_to_remove=[HANDOVER_HEADER, AUTHZ_FAILED_HEADER],
    )
    replies = withdrawn.guard_replies(facts) if facts.guard else hcm.LocalReplyConfig()
    replies.MergeFrom(refusals.edge_replies(facts))
    manager = hcm.HttpConnectionManager(
        stat_prefix="edge",
        use_remote_address=wkt.BoolValue(value=True),
        normalize_path=wkt.BoolValue(value=True),
        strip_any_host_port=True,
        local_reply_config=replies,
        early_header_mutation_extensions=[strip()],
        upgrade_configs=[hcm.HttpConnectionManager.UpgradeConfig(upgrade_type="websocket")],
        route_config=table,
        http_filters=http_filters(facts),
    )
    return static_listener(port, manager)


def _address(port: int) -> Any:
    return core.Address(socket_address=core.SocketAddress(address="127.0.0.1", port_value=port))


def _cluster(name: str, port: int, *, http2: bool = False) -> Any:
    host = endpoint.Endpoint(address=_address(port))
    made = cluster.Cluster(
        name=name,
        load_assignment=endpoint.ClusterLoadAssignment(
            cluster_name=name,
            endpoints=[
                endpoint.LocalityLbEndpoints(lb_endpoints=[endpoint.LbEndpoint(endpoint=host)])
            ],
        ),
    )
    if http2:
        options = upstreams_http.HttpProtocolOptions
        explicit = options.ExplicitHttpConfig(http2_protocol_options=core.Http2ProtocolOptions())
        known = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
        made.typed_extension_protocol_options[known].CopyFrom(
            pack(options(explicit_http_config=explicit))
        )
    return made


def _option(name: str, value: str) -> Any:
    return core.HeaderValueOption(header=core.HeaderValue(key=name, value=value))


def free_port() -> int:
    """A TCP port nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise AssertionError(f"Envoy does not listen:\n{log.read_text()[-4000:]}")
