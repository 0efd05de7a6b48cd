"""A document, compiled, on a real Envoy: the smallest site there is.

`Site.ask` speaks raw HTTP/1.1 over TLS, so that a test can send what no client library would.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import guard_library
from envoy_process import Envoy, serve, write, write_file_secret
from joserfc import jwt as tokens
from joserfc.jwk import ECKey
from xds_certificates import Authority, Pair

from ostiary.certs import spiffe
from ostiary.compiler.compile import compile as compile_plan
from ostiary.compiler.lint import lint
from ostiary.compiler.resources import Snapshot, View
from ostiary.compiler.world import BUNDLE_SECRET, SVID_SECRET, Address, World
from ostiary.language.read import read
from ostiary.names import local
from ostiary.plan.model import Plan
from ostiary.plan.resolve import Resolver
from ostiary.protos.messages import core, tls
from ostiary.sources.yaml_tree import parse

SIGNER = ECKey.generate_key("P-256", {"kid": "k1", "alg": "ES256", "use": "sig"})
WORLD = World(
    Address("127.0.0.1", 1),
    Address("127.0.0.1", 2),
    json.dumps({"keys": [SIGNER.as_dict(private=False)]}),
)


_TRUSTING = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_TRUSTING.check_hostname = False
_TRUSTING.verify_mode = ssl.CERT_NONE


def plan_of(text: str, mode: str = "stock") -> Plan:
    """What the document `text` means."""
    return Resolver(guard=mode == "guard").resolve(read(parse("site.yaml", text.encode())))


def compiled(plan: Plan, mode: str = "stock") -> Snapshot:
    """Every view of `plan`, found sound by the linter; with the guard in the mode `guard`."""
    snapshot = compile_plan(plan, replace(WORLD, guard=mode == "guard"))
    for view in snapshot.views.values():
        lint(view)
    return snapshot


def edge_view(plan: Plan, mode: str = "stock") -> View:
    """The view of the gateway `main`."""
    return compiled(plan, mode).views[spiffe.gateway_id(plan.trust_domain, local("main"))]


def signed(claims: dict[str, object], kind: str) -> str:
    """A token of ours."""
    return tokens.encode({"alg": "ES256", "kid": "k1", "typ": kind}, claims, SIGNER)


@dataclass
class Answer:
    """One HTTP answer."""

    status: int
    headers: list[tuple[str, str]]
    body: str

    def __getitem__(self, name: str) -> str:
        """The header `name`; several joined by commas; empty when there is none."""
        return ", ".join(value for key, value in self.headers if key == name)


@dataclass
class Site:
    """One running edge gateway."""

    envoy: Envoy
    port: int
    secrets: list[tls.Secret]
    mode: str = "stock"

    def push(self, plan: Plan) -> None:
        """Another revision, as files."""
        write(edge_view(plan, self.mode), self.envoy.folder, self.secrets)

    def ask(
        self,
        host: str,
        target: str,
        *headers: str,
        method: str = "GET",
        body: bytes = b"",
    ) -> Answer:
        """One request on a connection of its own; `headers` are whole lines."""
        with self.connect() as wire:
            head = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Connection: close", *headers]
            if body:
                head.append(f"Content-Length: {len(body)}")
            wire.sendall("\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body)
            return read_answer(wire)

    @contextlib.contextmanager
    def connect(self) -> Iterator[ssl.SSLSocket]:
        """A TLS connection; what it is certified for is another test's affair."""
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with _TRUSTING.wrap_socket(raw, server_hostname="site.localhost") as wire:
            yield wire


def read_answer(wire: socket.socket) -> Answer:
    """One answer, no byte more: Envoy keeps even a closing connection open for a second."""
    raw = b""
    while b"\r\n\r\n" not in raw:
        raw += _more(wire)
    head, _, rest = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = [line.split(": ", 1) if ": " in line else [line.rstrip(":"), ""] for line in lines]
    answer = Answer(int(first.split(" ")[1]), [(name.lower(), value) for name, value in pairs], "")
    if answer["transfer-encoding"] == "chunked":
        while not rest.endswith(b"0\r\n\r\n"):
            rest += _more(wire)
        rest = _unchunked(rest)
    while len(rest) < int(answer["content-length"] or "0"):
        rest += _more(wire)
    answer.body = rest.decode(errors="replace")
    return answer


def _more(wire: socket.socket) -> bytes:
    chunk = wire.recv(65_536)
    if not chunk:
        raise EOFError("the peer closed in the middle of an answer")
    return chunk


def _unchunked(rest: bytes) -> bytes:
    whole = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        whole += rest[:length]
        rest = rest[length + 2 :]
    return whole


@contextlib.contextmanager
def running(plan: Plan, folder: Path, mode: str = "stock") -> Iterator[Site]:
    """The gateway `main` of `plan` on a real Envoy."""
    if mode == "guard":
        guard_library.needed()
    view = edge_view(plan, mode)
    pair = Authority().issue(name="site")
    secrets = [tls_secret(name, pair) for name in sorted(view.secrets)]
    trust(folder, Authority(), view.proxy)
    listeners = plan.gateways[local("main")].listeners
    port = next(one.port for one in listeners if one.tls)
    with serve(view, folder, secrets=secrets) as envoy:
        assert "rejected" not in envoy.log, envoy.log
        yield Site(envoy, port, secrets, mode)


def trust(folder: Path, authority: Authority, spiffe_id: str) -> None:
    """The proxy's own certificate and bundle, where its agent would write them."""
    write_file_secret(folder, tls_secret(SVID_SECRET, authority.issue(spiffe_id)))
    root = core.DataSource(inline_bytes=authority.pem)
    context = tls.CertificateValidationContext(trusted_ca=root)
    write_file_secret(folder, tls.Secret(name=BUNDLE_SECRET, validation_context=context))


def tls_secret(name: str, pair: Pair) -> tls.Secret:
    """A certificate with its key as a secret."""
    certificate = tls.TlsCertificate(
        certificate_chain=core.DataSource(inline_bytes=pair.certificate),
        private_key=core.DataSource(inline_bytes=pair.key),
    )
    return tls.Secret(name=name, tls_certificate=certificate)


@dataclass
class Upstream:
    """An application that says what it was asked; `/events` is a stream, `Upgrade` is echoed."""

    server: ThreadingHTTPServer
    go_on: threading.Event = field(default_factory=threading.Event)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server.server_address[1])


@contextlib.contextmanager
def upstream() -> Iterator[Upstream]:
    """A running application."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Application)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    made = Upstream(server)
    _Application.go_on = made.go_on
    try:
        yield made
    finally:
        made.go_on.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Application(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    go_on: threading.Event

    def do_GET(self) -> None:
        if self.headers.get("upgrade") == "websocket":
            self._echo_frames()
        elif self.path == "/events":
            self._events()
        else:
            self._say_what_was_asked()

    do_POST = do_OPTIONS = do_PUT = do_DELETE = do_GET  # noqa: N815  the server's own names

    def _say_what_was_asked(self) -> None:
        said = {"path": self.path, "headers": self.headers.items()}
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Ostiary-Decision", "forged")
        self.end_headers()
        self.wfile.write(body)

    def _events(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"data: first\n\n")
        self.go_on.wait(10)
        self.wfile.write(b"data: second\n\n")
        self.close_connection = True

    def _echo_frames(self) -> None:
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.end_headers()
        self.wfile.write(self.connection.recv(1024))
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Nothing: a test says what it saw."""


def lines(answer: Answer, name: str) -> Sequence[str]:
    """The values of the header `name` as the application got them."""
    headers: list[list[str]] = json.loads(answer.body)["headers"]
    return [value for key, value in headers if key.lower() == name]
