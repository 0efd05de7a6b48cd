"""Each request is in exactly one of the two streams of the decision log."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent import futures
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest
from compiled_site import Site, plan_of, running
from envoy_process import free_port

from ostiary.compiler.logs import ALLOWS, DENIALS
from ostiary.signals.export import export_request
from ostiary.signals.parse import parse
from ostiary.signals.receiver import SERVICE

pytestmark = pytest.mark.envoy
EXPORT = export_request()

DOCUMENT = """\
gateway:
  https: {{port: {port}, address: 127.0.0.1, hosts: ["*.localhost"]}}
identity: {{providers: {{local: {{}}}}}}
services: {{notes: {{at: ["127.0.0.1:9"]}}}}
routes:
  open: {{host: open.localhost, access: public, respond: {{body: hello}}}}
  shut: {{host: shut.localhost, to: notes, access: [{{deny: {{}}}}]}}
  notes: {{host: notes.localhost, to: notes, login: true, access: [{{allow: {{}}}}]}}
"""


@dataclass
class Log:
    """What a proxy said: decision id -> names of the streams that carried it."""

    seen: dict[str, list[str]] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def streams_of(self, decision: str) -> list[str]:
        """Waits for the request at most 5 seconds; then what carried it."""
        end = time.monotonic() + 5
        with self.changed:
            while decision not in self.seen and time.monotonic() < end:
                self.changed.wait(0.1)
            return self.seen.get(decision, [])

    def export(self, raw: bytes, _: object) -> bytes:
        """One message of one stream."""
        with self.changed:
            for group in EXPORT.FromString(raw).resource_logs:
                name = group.resource.attributes[0].value.string_value.decode()
                for scope in group.scope_logs:
                    for entry in scope.log_records:
                        record = parse(entry, "", name)
                        self.seen.setdefault(record.id, []).append(name)
            self.changed.notify_all()
        return b""


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Log]]:
    """A gateway whose control plane writes down what it hears."""
    folder: Path = tmp_path_factory.mktemp("log")
    log = Log()
    server = grpc.server(futures.ThreadPoolExecutor(4))
    method = grpc.unary_unary_rpc_method_handler(log.export)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(SERVICE, {"Export": method}),)
    )
    server.add_insecure_port(f"unix:{folder}/control.sock")
    server.start()
    with running(plan_of(DOCUMENT.format(port=free_port())), folder) as site:
        yield site, log
    server.stop(None).wait()


@pytest.mark.parametrize(
    ("host", "target", "status", "stream"),
    [
        ("open.localhost", "/", 200, ALLOWS),
        ("open.localhost", "/a;b", 400, DENIALS),
        ("shut.localhost", "/", 403, DENIALS),
        ("nobody.localhost", "/", 404, DENIALS),
        ("notes.localhost", "/", 302, DENIALS),
    ],
)
def test_refusals_have_a_stream_of_their_own(
    logged: tuple[Site, Log], host: str, target: str, status: int, stream: str
) -> None:
    site, log = logged
    answer = site.ask(host, target, "Sec-Fetch-Mode: navigate")
    assert answer.status == status, answer.body
    assert log.streams_of(answer["x-ostiary-decision"]) == [stream]
