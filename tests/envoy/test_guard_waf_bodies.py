"""Bodies before the firewall in a real Envoy: held up to a limit, never inspected by half."""

from __future__ import annotations

import concurrent.futures
import json
import socket
import time
from collections.abc import Iterator

import h2.events
import pytest
from guard_clients import Http2, Plain, close_all
from waf_clients import FORM, SQL, ask, chunked, heard, post, spoken
from waf_rig import LIMIT, ROUTES, WafRig, rules, site, waf_rig

pytestmark = pytest.mark.envoy


@pytest.fixture(scope="module")
def waf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WafRig]:
    """One Envoy for all."""
    with waf_rig(tmp_path_factory.mktemp("bodies")) as made:
        yield made


@pytest.fixture(autouse=True)
def _closed(waf: WafRig) -> Iterator[None]:
    yield
    close_all()
    waf.until_idle()


def size(text: str) -> int:
    """What the application says it got."""
    return int(json.loads(text)["size"])


def test_a_body_at_the_limit_passes_and_one_byte_more_is_refused(waf: WafRig) -> None:
    at = b"a=" + b"x" * (LIMIT - 2)
    assert size(post(waf.port, "/limit", at).body) == LIMIT
    said = post(waf.port, "/limit", at + b"x")
    assert (said.status, said.body.partition("|")[0]) == (413, "ostiary.waf_body_limit")
    assert size(chunked(waf.port, "/limit", [at[:7000], at[7000:]]).body) == LIMIT
    said = chunked(waf.port, "/limit", [at[:7000], at[7000:], b"x"])
    assert (said.status, said.body.partition("|")[0]) == (413, "ostiary.waf_body_limit")


def test_an_attack_behind_the_limit_is_not_let_through(waf: WafRig) -> None:
    late = b"a=" + b"x" * LIMIT + f"&id={SQL}".encode()
    assert chunked(waf.port, "/behind", [late]).status == 413
    said = chunked(waf.port, "/shadow/behind", [late])
    assert size(said.body) == len(late)
    told = waf.logged("/shadow/behind")["waf"]
    assert (told["action"], told["message"]) == (
        "flagged",
        "the body is longer than what is inspected",
    )


def test_a_limit_above_the_buffer_of_the_connection(waf: WafRig) -> None:
    before = waf.stat("http.edge.rds.r.update_success")
    waf.routes({"/": site(body_limit=600_000)})
    waf.until_stat("http.edge.rds.r.update_success", before)
    try:
        assert size(post(waf.port, "/wide", b"a=" + b"x" * 500_000).body) == 500_002
        assert size(chunked(waf.port, "/wide", [b"x" * 30_000] * 20).body) == 600_000
        assert chunked(waf.port, "/wide", [b"x" * 30_000] * 20 + [b"x"]).status == 413
    finally:
        waf.routes(ROUTES)
        waf.until_stat("http.edge.rds.r.update_success", before + 1)


def test_a_chunked_attack_is_seen_across_its_chunks(waf: WafRig) -> None:
    whole = f"a=1&id={SQL}".encode()
    said = chunked(waf.port, "/chunks", [whole[at : at + 1] for at in range(len(whole))])
    assert said.status == 403
    assert chunked(waf.port, "/chunks", [whole], end=b"x-t: 1\r\n").status == 403
    assert size(chunked(waf.port, "/chunks", [b"a=", b"1"], end=b"x-t: 1\r\n").body) == 3


def test_a_slow_body_is_waited_for_and_others_are_served(waf: WafRig) -> None:
    whole = f"a=1&id={SQL}".encode()
    slow = Plain(waf.port)
    head = ("Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(whole)}")
    slow.ask("/slow", *head, method="POST")
    for byte in whole[:-1]:
        slow.wire.sendall(bytes([byte]))
    assert ask(waf.port, "/meanwhile").status == 200
    assert waf.state["held"] == len(whole) - 1
    slow.wire.sendall(whole[-1:])
    assert slow.head().status == 403


def test_a_client_that_goes_away_leaves_nothing(waf: WafRig) -> None:
    gone = Plain(waf.port).ask("/gone", "Content-Length: 100", method="POST")
    gone.wire.sendall(b"a=1")
    end = time.monotonic() + 5
    while not waf.state["held"]:
        assert time.monotonic() < end
    gone.close()
    waf.until_idle()


def test_a_client_that_waits_for_leave_to_go_on(waf: WafRig) -> None:
    whole = f"id={SQL}".encode()
    client = Plain(waf.port)
    kind = "Content-Type: application/x-www-form-urlencoded"
    head = (kind, f"Content-Length: {len(whole)}", "Expect: 100-continue")
    client.ask("/expect", *head, method="POST").head()
    assert client.status == 100
    client.raw = b""
    client.wire.sendall(whole)
    assert client.head().status == 403


def test_a_compressed_body_is_refused_whether_a_rule_says_so_or_not(waf: WafRig) -> None:
    said = post(waf.port, "/ruled", b"\x1f\x8b", FORM, "Content-Encoding: gzip")
    assert (said.status, said.body.partition("|")[0]) == (415, "ostiary.waf_blocked")
    said = post(waf.port, "/packed", b"\x1f\x8b", FORM, "Content-Encoding: gzip")
    assert (said.status, said.body.partition("|")[0]) == (415, "ostiary.waf_encoding")
    assert post(waf.port, "/packed", b"a=1", FORM, "Content-Encoding: identity").status == 200
    said = post(waf.port, "/shadow/packed", b"\x1f\x8b", FORM, "Content-Encoding: gzip")
    assert said.status == 200
    assert "no rule could read it" in waf.logged("/shadow/packed")["waf"]["message"]


def test_a_body_that_another_filter_has_collected(waf: WafRig) -> None:
    whole = f"a={'x' * 9000}&id={SQL}".encode()
    assert post(waf.held, "/held", whole).status == 403
    assert chunked(waf.held, "/held", [whole[:5000], whole[5000:]], end=b"x-t: 1\r\n").status == 403
    at = b"a=" + b"x" * (LIMIT - 2)
    assert size(post(waf.held, "/held", at).body) == LIMIT
    assert post(waf.held, "/held", at + b"x").status == 413


def test_a_body_over_http_2(waf: WafRig) -> None:
    client = Http2(waf.port)
    stream = client.line.get_next_available_stream_id()
    headers = [(":method", "POST"), (":scheme", "http"), (":path", "/two"), (":authority", "a")]
    headers += [("content-type", FORM)]
    client.line.send_headers(stream, headers)
    client.line.send_data(stream, f"id={SQL}"[:9].encode())
    client.line.send_data(stream, f"id={SQL}"[9:].encode(), end_stream=True)
    client.wire.sendall(client.line.data_to_send())
    client.until(h2.events.StreamEnded, stream)
    assert client.status(stream) == 403


def test_one_request_behind_another_on_a_connection(waf: WafRig) -> None:
    body = f"id={SQL}".encode()
    first = b"POST /first HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na=1"
    second = b"POST /second HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded"
    second += b"\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
    with socket.create_connection(("127.0.0.1", waf.port), timeout=5) as wire:
        wire.sendall(first + second + body)
        raw = b""
        while piece := wire.recv(65_536):
            raw += piece
    assert raw.startswith(b"HTTP/1.1 200")
    assert b"HTTP/1.1 403" in raw


def test_the_process_holds_no_more_than_it_may(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("cap")
    with waf_rig(folder, sets={"own": rules()}, buffer_cap=50_000) as waf:
        waiting = []
        for _ in range(5):
            client = Plain(waf.port).ask("/many", f"Content-Length: {LIMIT}", method="POST")
            client.wire.sendall(b"x" * 12_000)
            waiting.append(client)
        end = time.monotonic() + 5
        while waf.state["held"] < 48_000:
            assert time.monotonic() < end
        waiting[-1].head()
        assert waiting[-1].status == 503
        assert b"retry-after: 5" in waiting[-1].raw
        for client in waiting[:-1]:
            client.close()
        waf.until_idle()
        with concurrent.futures.ThreadPoolExecutor(32) as all_at_once:
            body = b"a=" + b"x" * 19_000
            done = list(all_at_once.map(lambda _: post(waf.port, "/many", body).status, range(200)))
        assert set(done) <= {200, 503}
        assert 200 in done
        waf.until_idle()
        assert post(waf.port, "/many", body).status == 200


def test_strangers_of_one_address_cause_so_much_work_and_no_more(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("strangers")
    with waf_rig(folder, sets={"own": rules()}, source_rate=10, source_burst=3000) as waf:
        there = "X-Forwarded-For: 192.0.2.1"
        assert ask(waf.port, "/strangers/a", there).status == 200
        stopped = (ask(waf.port, "/strangers/a", there) for _ in range(2000))
        said = next(one for one in stopped if one.status != 200)
        assert said.status == 503
        assert said.body.startswith("ostiary.waf_busy|too much is inspected at once")
        assert ask(waf.port, "/strangers/a", "X-Forwarded-For: 192.0.2.2").status == 200
        assert ask(waf.port, "/known", there).status == 200
        waf.until_idle()


def test_a_request_cut_in_its_head_is_none(waf: WafRig) -> None:
    said = spoken(
        waf.port, [b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"]
    )
    assert said.status == 400
    assert heard(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n").status == 200
