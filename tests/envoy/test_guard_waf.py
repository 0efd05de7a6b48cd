"""The firewall in a real Envoy: what it stops, what it lets through, and what it says about it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import grpc
import h2.events
import pytest
import websockets.sync.client
from guard_clients import Http2, Plain, close_all
from waf_clients import FORM, SQL, ask, post
from waf_rig import WafRig, waf_rig

pytestmark = pytest.mark.envoy


@pytest.fixture(scope="module")
def waf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WafRig]:
    """One Envoy for all."""
    with waf_rig(tmp_path_factory.mktemp("waf")) as made:
        yield made


@pytest.fixture(autouse=True)
def _closed(waf: WafRig) -> Iterator[None]:
    yield
    close_all()
    waf.until_idle()


def test_an_attack_in_the_query_is_stopped_and_explained(waf: WafRig) -> None:
    said = ask(waf.port, f"/a?id={SQL}&stopped", "x-crs-test: t-1")
    assert (said.status, said.body) == (
        403,
        "ostiary.waf_blocked|SQL injection by structure|ARGS:id",
    )
    entry = waf.logged(f"/a?id={SQL}&stopped")
    assert (entry["details"], entry["flags"]) == ("ostiary.waf_blocked", "OWF")
    told = entry["waf"]
    assert (told["action"], told["mode"], told["by"], told["phase"]) == (
        "blocked",
        "block",
        10900,
        2,
    )
    assert {10300, 10301, 10900} <= set(told["rules"])
    assert told["score"] >= 5
    assert (told["id"], told["log"], told["place"]) == ("t-1", "waf.log", "ARGS:id")
    assert 0 < told["micros"] < 1_000_000
    assert told["brief"]["rules"] == told["rules"]
    first = told["messages"][0]
    assert (first["rule"], first["place"]) == (10300, "ARGS:id")


def test_what_is_no_attack_passes_and_is_logged_all_the_same(waf: WafRig) -> None:
    said = ask(waf.port, "/fine?q=union+of+students")
    assert said.status == 200
    told = waf.logged("/fine?q=union+of+students")["waf"]
    assert (told["action"], told["rules"], told["messages"]) == ("passed", [], [])
    assert "brief" not in told
    assert ask(waf.port, "/quiet/fine").status == 200
    assert waf.logged("/quiet/fine")["waf"] is None


def test_a_route_without_rules_is_left_alone(waf: WafRig) -> None:
    assert ask(waf.port, f"/plain?id={SQL}").status == 200
    assert waf.logged(f"/plain?id={SQL}")["waf"] is None


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (FORM, f"a=1&id={SQL}".encode()),
        ("application/json", b'{"a": {"id": "1\' UNION SELECT password FROM users--"}}'),
        (
            "multipart/form-data; boundary=b",
            (
                b'--b\r\nContent-Disposition: form-data; name="id"\r\n\r\n'
                b"1' UNION SELECT password FROM users\r\n--b--\r\n"
            ),
        ),
        ("text/xml", b"<a><b>1' UNION SELECT password FROM users--</b></a>"),
    ],
)
def test_an_attack_in_a_body_is_stopped(waf: WafRig, kind: str, body: bytes) -> None:
    said = post(waf.port, "/body", body, kind)
    assert (said.status, said.body.partition("|")[0]) == (403, "ostiary.waf_blocked")
    harmless = body.replace(b"UNION SELECT", b"one select").replace(SQL.encode(), b"1")
    assert (
        post(waf.port, "/body", harmless.replace(b"'", b"").replace(b"--<", b"<"), kind).status
        == 200
    )


def test_shadow_mode_tells_and_does_not_stop(waf: WafRig) -> None:
    said = post(waf.port, "/shadow/a", f"id={SQL}".encode())
    assert (said.status, json.loads(said.body)["size"]) == (200, len(SQL) + 3)
    entry = waf.logged("/shadow/a")
    assert (entry["code"], entry["flags"]) == (200, "")
    told = entry["waf"]
    assert (told["action"], told["mode"]) == ("flagged", "shadow")
    assert 10301 in told["rules"]
    assert told["score"] >= 5


def test_a_head_is_stopped_before_anybody_else_looks(waf: WafRig) -> None:
    said = ask(waf.port, "/between/a", "x-evil: now")
    assert (said.status, said.body) == (
        403,
        "ostiary.waf_blocked|An evil ?b?header?/b?|REQUEST_HEADERS:X-Evil",
    )
    assert waf.logged("/between/a")["waf"]["phase"] == 1


def test_a_request_that_the_rules_refuse_never_has_its_body_looked_at(waf: WafRig) -> None:
    for number in range(20):
        said = post(waf.port, f"/between/{number}", f"id={SQL}".encode())
        assert (said.status, said.body.partition("|")[0]) == (
            403,
            "rbac_access_denied_matched_policy[between]",
        )
    waf.until_idle()
    assert waf.logged("/between/3")["waf"]["action"] == "passed"


def test_exclusions_hold_on_their_paths_only(waf: WafRig) -> None:
    assert ask(waf.port, f"/excused/sql/a?id={SQL}").status == 200
    assert ask(waf.port, f"/excused/sqls?id={SQL}").status == 403


def test_every_value_of_a_header_is_seen_and_the_host_too(waf: WafRig) -> None:
    said = ask(waf.port, "/twice", "x-evil: never", "x-evil: now")
    assert said.status == 403
    client = Plain(waf.port)
    client.wire.sendall(b"GET /host HTTP/1.1\r\nHost: app.test\r\nX-A: ${jndi:ldap://x/a}\r\n\r\n")
    assert client.head().status == 403
    client = Plain(waf.port)
    client.wire.sendall(b"GET /host HTTP/1.1\r\nHost: () { :; }; a\r\n\r\n")
    assert client.head().status in (400, 403)


def test_over_http_2(waf: WafRig) -> None:
    client = Http2(waf.port)
    stopped = client.ask(f"/two?id={SQL}")
    assert client.until(h2.events.StreamEnded, stopped) is not None
    assert client.status(stopped) == 403
    passed = client.ask("/two?id=1")
    client.until(h2.events.StreamEnded, passed)
    assert client.status(passed) == 200


def test_a_websocket_opens_unless_its_head_is_an_attack(waf: WafRig) -> None:
    with websockets.sync.client.connect(f"ws://127.0.0.1:{waf.port}/ws") as line:
        assert line.recv(timeout=5) == "hello"
    with pytest.raises(websockets.exceptions.InvalidStatus):
        websockets.sync.client.connect(f"ws://127.0.0.1:{waf.port}/ws?id={SQL}")


def test_an_upgrade_does_not_carry_a_body_past_the_rules(waf: WafRig) -> None:
    upgrade = ("Connection: upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x")
    client = Plain(waf.port)
    body = f"id={SQL}".encode()
    client.ask("/ws", *upgrade, f"Content-Length: {len(body)}", method="POST")
    client.wire.sendall(body)
    assert client.head().status == 415


def test_a_call_passes_and_is_refused_in_its_own_words(waf: WafRig) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{waf.port}") as channel:
        call = channel.unary_unary("/test.Service/Echo")
        assert call(b"hello", timeout=5) == b"hello"
        with pytest.raises(grpc.RpcError) as caught:
            call(b"hello", timeout=5, metadata=[("x-evil", "now")])
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
        assert caught.value.details() == "ostiary.waf_blocked"
        with pytest.raises(grpc.RpcError) as caught:
            call(b"hello", timeout=5, metadata=[("x-a", "${jndi:ldap://x/a}")])
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


def test_the_word_grpc_does_not_carry_a_body_past_the_rules(waf: WafRig) -> None:
    said = post(waf.port, "/body?grpc", f"id={SQL}".encode(), "application/grpc")
    # Rules that read forms do not read this; but it was held and inspected, and has a size.
    assert said.status == 200
    said = post(waf.port, "/body?grpc", b"x" * 20_001, "application/grpc")
    assert "grpc-status: 8" in said.headers


def test_nor_does_it_over_http2_where_the_application_speaks_no_grpc(waf: WafRig) -> None:
    client = Http2(waf.port)
    stream = client.line.get_next_available_stream_id()
    head = {":method": "POST", ":scheme": "http", ":authority": "app.test", ":path": "/body?h2"}
    client.line.send_headers(stream, [*head.items(), ("content-type", "application/grpc")])
    client.line.send_data(stream, b"x" * 10_000)
    client.line.send_data(stream, b"x" * 10_001, end_stream=True)
    client.wire.sendall(client.line.data_to_send())
    event = client.until(h2.events.ResponseReceived, stream)
    assert isinstance(event, h2.events.ResponseReceived)
    said: dict[Any, Any] = dict(event.headers)
    assert (said["grpc-status"], said["grpc-message"]) == ("8", "ostiary.waf_body_limit")


def test_the_time_of_each_rule_is_told_where_asked(waf: WafRig) -> None:
    ask(waf.port, f"/timed?id={SQL}")
    cost = waf.logged(f"/timed?id={SQL}")["waf"]["cost"]
    assert cost
    assert all(one["rule"] and one["micros"] >= 0 for one in cost)


def test_a_recorded_request_has_no_secrets(waf: WafRig) -> None:
    cookie = "Cookie: a=1; __Host-ostiary-session=never-shown"
    headers = (cookie, "Authorization: Bearer never-shown", "X-Kept: kept")
    post(
        waf.port, "/recorded?password=never-shown&q=1", b"password=never-shown&b=2", FORM, *headers
    )
    entry = waf.logged("/recorded?password=never-shown&q=1")
    recorded = entry["waf"]["record"]
    assert "never-shown" not in json.dumps(entry["waf"])
    assert recorded["method"] == "POST"
    assert recorded["uri"] == "/recorded?password=***&q=1"
    assert ["cookie", "a=1"] in recorded["headers"]
    assert ["x-kept", "kept"] in recorded["headers"]
    assert recorded["body"] == "cGFzc3dvcmQ9KioqJmI9Mg=="
    assert recorded["cut"] is False


def test_a_secret_argument_is_inspected_and_not_shown(waf: WafRig) -> None:
    said = post(waf.port, "/body?secret", f"password={SQL}".encode())
    assert said.status == 403
    told = waf.logged("/body?secret")["waf"]
    assert told["data"] == "***"
    assert "UNION" not in json.dumps(told)


def test_a_request_that_envoy_sends_elsewhere_is_inspected_anew(waf: WafRig) -> None:
    said = post(waf.port, "/moved/elsewhere", b"a=1")
    assert (said.status, json.loads(said.body)["path"]) == (200, "/there?id=1")
    assert ask(waf.port, "/moved/trap").status == 403
