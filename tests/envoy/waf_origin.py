"""An application that reads bodies, and does by the last part of a path what firewalls look for.

`leak`, `drip` and `late` show what they should not: at once, in pieces, behind much else. Anything
that has no name here says what it was asked, with the length of the body and its first bytes.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LEAK = "trace: leaked-secret-4711"


class _Application(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        body = self._body()
        name = self.path.partition("?")[0].rpartition("/")[2]
        if name == "leak":
            self._say("text/plain", LEAK.encode())
        elif name == "drip":
            self._chunks([b"trace: leaked-", b"secret-4711"])
        elif name == "late":
            self._chunks([b"x" * 65_536] * 9 + [LEAK.encode()])
        elif name == "page":
            self._say("text/html", b"<p>fine</p>" * 2000)
        elif name == "file":
            self._say("application/octet-stream", LEAK.encode())
        elif name in {"elsewhere", "trap"}:
            attack = "1%27%20UNION%20SELECT%20a%20FROM%20users--" if name == "trap" else "1"
            self._move(f"http://app.test/there?id={attack}")
        elif name == "debug":
            self._say("application/json", b"{}", debug=True)
        else:
            said = {"method": self.command, "path": self.path, "size": len(body)}
            more = {"body": body[:200].decode("latin-1"), "headers": dict(self.headers.items())}
            self._say("application/json", json.dumps(said | more).encode())

    do_GET = do_POST = _answer  # noqa: N815  the base class looks for these names

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    def _say(self, kind: str, body: bytes, *, debug: bool = False) -> None:
        self.send_response(200)
        if debug:
            self.send_header("x-debug", "1")
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _move(self, where: str) -> None:
        self.send_response(302)
        self.send_header("location", where)
        self.send_header("content-length", "0")
        self.end_headers()

    def _chunks(self, pieces: list[bytes]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/plain")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for piece in pieces:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
            time.sleep(0.01)
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it
        """Says nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512


@contextmanager
def waf_origin() -> Iterator[int]:
    """The port of a running application."""
    server = _Server(("127.0.0.1", 0), _Application)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
