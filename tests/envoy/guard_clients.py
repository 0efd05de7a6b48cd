"""Clients that show exactly how an answer ended: HTTP/1.1 by hand, HTTP/2 by frames."""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import dataclass, field
from typing import Any

import h2.config
import h2.connection
import h2.events
from guard_rig import COOKIE

_open: list[socket.socket] = []


def close_all() -> None:
    """No connection of a test that is over stays open."""
    while _open:
        _open.pop().close()


def _connected(port: int, source: str) -> socket.socket:
    own = (source, 0) if source else None
    return socket.create_connection(("127.0.0.1", port), timeout=5, source_address=own)


@dataclass
class Plain:
    """One HTTP/1.1 connection."""

    port: int
    address: str = ""
    token: str = ""
    source: str = ""
    """Its own address; any of this machine's where that does not matter."""
    context: ssl.SSLContext | None = None
    """Who it is, where that has to be proved."""
    wire: socket.socket = field(init=False)
    raw: bytes = b""
    took: float = 0
    reset: bool = False
    """It was closed by force."""

    def __post_init__(self) -> None:
        self.wire = _connected(self.port, self.source)
        if self.context is not None:
            self.wire = self.context.wrap_socket(self.wire)
        _open.append(self.wire)

    def ask(self, path: str, *headers: str, method: str = "GET") -> Plain:
        """Sends the request."""
        lines = [f"{method} {path} HTTP/1.1", "Host: app.test", *headers]
        if self.address:
            # The hop in front of Envoy is believed, and says this.
            lines.append(f"X-Forwarded-For: {self.address}")
        if self.token:
            lines.append(f"Cookie: a=1; {COOKIE}={self.token}; b=2")
        self.raw = b""
        self.wire.sendall("\r\n".join([*lines, "", ""]).encode())
        return self

    def until(self, text: bytes) -> Plain:
        """Reads until `text` came."""
        start = time.perf_counter()
        while text not in self.raw:
            piece = self.wire.recv(65_536)
            assert piece, f"closed before {text!r}: {self.raw!r}"
            self.raw += piece
        self.took = time.perf_counter() - start
        return self

    def until_closed(self) -> Plain:
        """Reads until the peer closes, kindly or not."""
        start = time.perf_counter()
        try:
            while piece := self.wire.recv(65_536):
                self.raw += piece
        except ConnectionResetError:
            self.reset = True
        self.took = time.perf_counter() - start
        return self

    def head(self) -> Plain:
        """Reads the head of the answer."""
        return self.until(b"\r\n\r\n")

    def answer(self) -> Plain:
        """Reads an answer that says its length."""
        self.head()
        head, _, body = self.raw.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        length = next(int(x[16:]) for x in lines if x.startswith(b"content-length: "))
        while len(body) < length:
            piece = self.wire.recv(65_536)
            assert piece
            body += piece
        self.raw = head + b"\r\n\r\n" + body
        return self

    @property
    def status(self) -> int:
        """Of the answer."""
        return int(self.raw.split(b" ", 2)[1])

    @property
    def body(self) -> bytes:
        """Behind the head."""
        return self.raw.partition(b"\r\n\r\n")[2]

    def close(self) -> None:
        """The connection is gone."""
        self.wire.close()


class Http2:
    """One HTTP/2 connection with prior knowledge."""

    def __init__(self, port: int, source: str = "") -> None:
        self.wire = _connected(port, source)
        _open.append(self.wire)
        config = h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
        self.line = h2.connection.H2Connection(config)
        self.line.initiate_connection()
        self.seen: list[h2.events.Event] = []
        self._flush()

    def ask(self, path: str, address: str = "", token: str = "", **more: str) -> int:
        """Sends a request; its stream."""
        stream = self.line.get_next_available_stream_id()
        headers = [(":method", more.pop("method", "GET")), (":scheme", "http")]
        headers += [(":path", path), (":authority", "app.test")]
        if "protocol" in more:
            headers.insert(1, (":protocol", more.pop("protocol")))
        headers += [("x-forwarded-for", address)] if address else []
        headers += [("cookie", f"{COOKIE}={token}")] if token else []
        headers += [(name.replace("_", "-"), value) for name, value in more.items()]
        self.line.send_headers(stream, headers, end_stream=":protocol" not in dict(headers))
        self._flush()
        return stream

    def until(self, kind: type[h2.events.Event], stream: int) -> h2.events.Event:
        """The first event of `kind` on `stream`."""
        end = time.monotonic() + 5
        while True:
            for event in self.seen:
                if isinstance(event, kind) and getattr(event, "stream_id", None) == stream:
                    return event
            assert time.monotonic() < end, f"no {kind.__name__} on {stream}: {self.seen[-5:]}"
            self.read()

    def until_settings(self) -> None:
        """Returns when the peer has said what it can do."""
        while not any(isinstance(e, h2.events.RemoteSettingsChanged) for e in self.seen):
            self.read()

    def until_over(self, stream: int) -> None:
        """Returns when `stream` has ended, kindly or not."""
        kinds = (h2.events.StreamEnded, h2.events.StreamReset)
        while not any(isinstance(e, kinds) and e.stream_id == stream for e in self.seen):
            self.read()

    def read(self) -> None:
        """What is there now is seen."""
        data = self.wire.recv(65_536)
        assert data, "the connection was closed"
        for event in self.line.receive_data(data):
            self.seen.append(event)
            if isinstance(event, h2.events.DataReceived) and event.flow_controlled_length:
                self.line.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        self._flush()

    def data(self, stream: int) -> bytes:
        """What came on `stream` so far."""
        events = [e for e in self.seen if isinstance(e, h2.events.DataReceived)]
        return b"".join(e.data for e in events if e.stream_id == stream)

    def status(self, stream: int) -> int:
        """Of the answer on `stream`."""
        event = self.until(h2.events.ResponseReceived, stream)
        assert isinstance(event, h2.events.ResponseReceived)
        headers: dict[Any, Any] = dict(event.headers)
        return int(headers[":status"])

    def close(self) -> None:
        """The connection is gone."""
        self.wire.close()

    def _flush(self) -> None:
        self.wire.sendall(self.line.data_to_send())
