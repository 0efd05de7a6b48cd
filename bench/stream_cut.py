"""One of 9,000 open streams is cut: 1 ms (p50) and 5 ms (p99) until its client has read the end.

The clock starts when the control plane sends the verdict and stops when the client, a Python
program, has read the protocol's own end: the last event, the close frame 1008, the trailers, the
RST of that stream. A WebSocket that the application left in the middle of a frame is closed after
at most 60 ms. Measured among 9,000 streams of events that stay open.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator

import h2.events
from _claim import Row, main, median, percentile
from _streams import MANY, Streams, guarded
from guard_clients import Http2, Plain, close_all
from guard_control import Held
from guard_rig import Rig, fresh_address

TYPICAL, SLOWEST, MID_FRAME = 1.0, 5.0, 60.0
_WEBSOCKET = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
)
_POLICY_VIOLATION = b"\x03\xf0"
"""1008 (RFC 6455, section 7.4.1)."""
_NOTHING = bytes(5)
"""An empty message of gRPC: not compressed, no byte long."""
Cut = Callable[[Rig], float]


def measure(quick: bool) -> Iterator[Row]:  # noqa: FBT001  the shape that main() asks for
    """Two rows for each protocol, and one for a frame that never ends."""
    count = 20 if quick else 300
    with guarded() as rig:
        streams = Streams(rig.ports["open"], MANY // 10 if quick else MANY)
        yield from _rows("events", _events(rig, streams, count))
        for name, cut in (("WebSocket", _websocket), ("gRPC", _grpc), ("HTTP/2", _http2)):
            yield from _rows(name, [cut(rig) for _ in range(count)])
        stuck = [_stuck(rig) for _ in range(count // 5)]
        note = f"p50 {median(stuck):.1f} ms, n {len(stuck)}"
        name = "stream_cut, WebSocket in mid-frame, slowest"
        yield Row(name, "ms", max(stuck), MID_FRAME, note=note)
        streams.close()
        close_all()


def _rows(protocol: str, values: list[float]) -> Iterator[Row]:
    note = f"n {len(values)}, slowest {max(values):.2f} ms"
    yield Row(f"stream_cut, {protocol}, p50", "ms", median(values), TYPICAL, note=note)
    yield Row(f"stream_cut, {protocol}, p99", "ms", percentile(values, 0.99), SLOWEST, note=note)


def _events(rig: Rig, streams: Streams, count: int) -> list[float]:
    found = []
    for name in random.sample(sorted(streams.open), count):
        held = Held("ADDRESS", streams.addresses[name])
        start = time.perf_counter()
        rig.control.put(held)
        ended, at = next(streams.ended(5))
        if ended != name:
            raise AssertionError("another stream ended")
        found.append((at - start) * 1000)
    return found


def _cut(rig: Rig, address: str, read: Callable[[], object]) -> float:
    held = Held("ADDRESS", address)
    start = time.perf_counter()
    rig.control.put(held)
    read()
    took = (time.perf_counter() - start) * 1000
    rig.control.lift(held)
    close_all()
    return took


def _websocket(rig: Rig) -> float:
    client = Plain(rig.ports["open"], fresh_address()).ask("/ws", *_WEBSOCKET).until(b"hello")
    return _cut(rig, client.address, lambda: client.until(_POLICY_VIOLATION))


def _stuck(rig: Rig) -> float:
    client = Plain(rig.ports["open"], fresh_address()).ask("/ws/stuck", *_WEBSOCKET)
    client.until(b"xxxx")
    return _cut(rig, client.address, client.until_closed)


def _http2(rig: Rig) -> float:
    client, address = Http2(rig.ports["open"]), fresh_address()
    stream = client.ask("/bytes", address)
    client.until(h2.events.DataReceived, stream)
    return _cut(rig, address, lambda: client.until(h2.events.StreamReset, stream))


def _grpc(rig: Rig) -> float:
    client, address = Http2(rig.ports["open"]), fresh_address()
    stream = client.line.get_next_available_stream_id()
    head = {":method": "POST", ":scheme": "http", ":authority": "app.test"}
    head |= {":path": "/test.Bench/Watch", "content-type": "application/grpc", "te": "trailers"}
    client.line.send_headers(stream, [*head.items(), ("x-forwarded-for", address)])
    client.line.send_data(stream, _NOTHING, end_stream=True)
    client.wire.sendall(client.line.data_to_send())
    client.until(h2.events.DataReceived, stream)
    return _cut(rig, address, lambda: client.until(h2.events.TrailersReceived, stream))


if __name__ == "__main__":
    main(measure)
