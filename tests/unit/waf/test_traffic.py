"""Logs of ours and HAR files become entries; what is none is told with its line."""

from __future__ import annotations

import json

from traffic_lines import line, log

from ostiary.waf.traffic import read


def test_a_line_of_our_log_is_an_entry_with_its_request() -> None:
    text = log(line("/n?q=1", method="POST", body=b"a=b", rules=[7], places=["ARGS:q"]))
    (one,) = read(text).entries
    assert (one.line, one.method, one.path, one.day, one.client) == (
        1,
        "POST",
        "/n",
        "2026-11-20",
        "192.0.2.1",
    )
    assert one.messages[0].place == "ARGS:q"
    assert one.request is not None
    assert one.request.uri == b"/n?q=1"
    assert one.request.body == b"a=b"
    assert one.request.remote == "192.0.2.1"


def test_a_request_that_was_not_recorded_is_an_entry_all_the_same() -> None:
    found = read(log(line(request=None), line(request="-")))
    assert (len(found.entries), found.recorded) == (2, [])


def test_lines_that_are_no_entries_are_told() -> None:
    broken = line(request={"method": "GET"})
    found = read(log(line()) + '{"time": 1\n\n{"a": 1}\n' + log(broken))
    assert len(found.entries) == 1
    assert [number for number, _ in found.unread] == [2, 4, 5]
    assert "no line of the log" in found.unread[1][1]


def test_a_har_file_is_traffic_too() -> None:
    request = {
        "method": "POST",
        "url": "https://a.example/n?q=1",
        "headers": [{"name": ":path", "value": "/n"}, {"name": "Accept", "value": "*/*"}],
        "postData": {"mimeType": "text/plain", "text": "hé"},
    }
    har = json.dumps({"log": {"entries": [{"startedDateTime": "2026-11-20", "request": request}]}})
    (one,) = read(har).entries
    assert one.request is not None
    assert one.request.headers == (
        (b"host", b"a.example"),
        (b"accept", b"*/*"),
        (b"content-type", b"text/plain"),
    )
    assert (one.request.uri, one.request.body) == (b"/n?q=1", "hé".encode())
    assert read('{"log": 1}').unread[0][0] == 1
