"""Recorded traffic: lines of the log of `waf`, or a HAR file that a browser saved.

Fed with text by the commands; feeds `differences` and `proposals`. What cannot be read is counted
and named by its line, never dropped without a word: a log may have been cut while it was rotated.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ostiary.waf.request import Malformed, Request, of_har, of_record

_DAY: Final = len("2027-01-31")


@dataclass(frozen=True, slots=True)
class Message:
    """A rule that matched, as the guard wrote it: secrets are masked there."""

    rule: int
    message: str
    place: str
    """The part of the request, `ARGS:comment`."""
    data: str
    severity: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One inspected request."""

    line: int
    """Where it stands in its file, from 1; in a HAR file the number of the entry."""
    time: str = ""
    request_id: str = ""
    route: str = ""
    host: str = ""
    method: str = ""
    path: str = ""
    """Normalised, without the query."""
    code: int = 0
    """What the client was answered; 0 when the log does not say."""
    action: str = ""
    score: int = 0
    by: int = 0
    """The rule that stopped it, or would have in shadow mode; 0 when none did."""
    rules: tuple[int, ...] = ()
    messages: tuple[Message, ...] = ()
    client: str = ""
    """The address it came from; empty when the log does not say."""
    request: Request | None = None

    @property
    def day(self) -> str:
        """`2027-01-31`, or nothing."""
        return self.time[:_DAY]


@dataclass
class Traffic:
    """What a file has in it."""

    entries: list[Entry] = field(default_factory=list)
    unread: list[tuple[int, str]] = field(default_factory=list)
    """Lines that are no entries, and why."""

    @property
    def recorded(self) -> list[Entry]:
        """Those that can be asked about again."""
        return [one for one in self.entries if one.request is not None]


def read(text: str) -> Traffic:
    """The traffic of a file, ours or HAR, whichever it is."""
    begin = text.lstrip()[:4096]
    if begin.startswith("{") and '"log"' in begin and '"request_id"' not in begin:
        return _har(text)
    return read_lines(text.splitlines())


def read_lines(lines: Iterable[str]) -> Traffic:
    """The traffic of lines of JSON, one for each request; empty lines are skipped."""
    traffic = Traffic()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
            traffic.entries.append(_entry(number, found))
        except (Malformed, TypeError, ValueError, RecursionError) as error:
            traffic.unread.append((number, _why(error)))
    return traffic


def _har(text: str) -> Traffic:
    traffic = Traffic()
    try:
        entries = json.loads(text)["log"]["entries"]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        return Traffic(unread=[(1, f"it is no HAR file: {_why(error)}")])
    for number, found in enumerate(entries, 1):
        try:
            request = of_har(found["request"])
        except (Malformed, KeyError, TypeError) as error:
            traffic.unread.append((number, _why(error)))
            continue
        host = request.header(b"host").decode("utf-8", "replace")
        traffic.entries.append(
            Entry(
                number,
                time=str(found.get("startedDateTime", "")),
                host=host,
                method=request.method,
                path=request.path,
                request=request,
            )
        )
    return traffic


def _entry(number: int, found: Any) -> Entry:
    if not isinstance(found, dict) or "rules" not in found:
        raise Malformed("it has no `rules`: it is no line of the log of waf")
    client = _text(found.get("client"))
    record = found.get("request")
    remote = client or "127.0.0.1"
    return Entry(
        number,
        time=_text(found.get("time")),
        request_id=_text(found.get("request_id")) or _text(found.get("decision")),
        route=_text(found.get("route")),
        host=_text(found.get("host")),
        method=_text(found.get("method")),
        path=_text(found.get("path")),
        code=_number(found.get("code")),
        action=_text(found.get("action")),
        score=_number(found.get("score")),
        by=_number(found.get("by")),
        rules=tuple(map(_number, found.get("rules") or ())),
        messages=tuple(_message(one) for one in found.get("messages") or ()),
        client=client,
        request=of_record(record, remote) if isinstance(record, dict) else None,
    )


def _message(found: Mapping[str, Any]) -> Message:
    return Message(
        _number(found.get("rule")),
        _text(found.get("message")),
        _text(found.get("place")),
        _text(found.get("data")),
        _number(found["severity"]) if found.get("severity") is not None else None,
    )


def _text(found: object) -> str:
    if found is None or found == "-":
        return ""
    return found if isinstance(found, str) else str(found)


def _number(found: object) -> int:
    if isinstance(found, str) and found.isdigit():
        return int(found)
    return int(found) if isinstance(found, int | float) else 0


def _why(error: Exception) -> str:
    return str(error) if isinstance(error, Malformed) else f"it is no JSON of that form ({error})"
