"""What stands around the Envoy of `identity_rig`: a stand-in for `login`, and an application."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc

from ostiary.protos.messages import auth


def login(calls: list[Any], answer: Callable[[Any], Any]) -> tuple[Any, int]:
    """A gRPC server that notes each call and answers with `answer`; itself and its port."""

    def check(request: Any, _: Any) -> Any:
        calls.append(request)
        return answer(request)

    handler = grpc.unary_unary_rpc_method_handler(
        check,
        request_deserializer=auth.CheckRequest.FromString,
        response_serializer=lambda message: message.SerializeToString(),
    )
    service = "envoy.service.auth.v3.Authorization"
    server = grpc.server(futures.ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(service, {"Check": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, int(port)


def upstream(set_cookies: list[str]) -> ThreadingHTTPServer:
    """An application that answers with what it saw, and sets `set_cookies`."""

    class Echo(BaseHTTPRequestHandler):
        """Answers with what it saw, and with the cookies it is told to set."""

        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one write, or TCP waits 40 ms for an acknowledgement

        def answer(self) -> None:
            """The request as JSON."""
            body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
            seen = {"method": self.command, "path": self.path, "body": body}
            raw = json.dumps(seen | {"headers": dict(self.headers.items())}).encode()
            self.send_response(200)
            for cookie in set_cookies:
                self.send_header("set-cookie", cookie)
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
