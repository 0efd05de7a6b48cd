"""CRS regression tests (the FTW format of CRS 3 and 4) as messages and expectations.

The bytes are those that CRS's own runner sends: it completes headers, percent-encodes a form that
is written plainly and gives multipart bodies their CRLFs.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote_plus, unquote_plus

import yaml
from messages import Headers, Message, Reply, from_raw

FORM: Final = "application/x-www-form-urlencoded"
_BODIED: Final = re.compile(r"^POST|PUT|PATCH|DELETE$")
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_ID: Final = re.compile(r'id "?(\d+)"?')
Tree = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Stage:
    """One request of a test and what must come of it."""

    message: Message
    reply: Reply
    expect: frozenset[int] = frozenset()
    refuse: frozenset[int] = frozenset()
    lines: tuple[str, ...] = ()
    """Patterns that some line of the log must match."""
    no_lines: tuple[str, ...] = ()
    status: frozenset[int] = frozenset()
    error: bool = False
    """Whether the server may answer nothing at all."""

    @property
    def about_rules(self) -> bool:
        """Whether it can be judged without a server."""
        return bool(self.expect or self.refuse or self.lines or self.no_lines)


@dataclass(frozen=True, slots=True)
class Case:
    """One test."""

    id: str
    stages: tuple[Stage, ...]


def read(files: Iterable[tuple[str, bytes]]) -> Iterator[Case]:
    """The tests of these (path, text) pairs, in order."""
    for path, text in sorted(files):
        tree = yaml.load(text, Loader=_LOADER)  # noqa: S506  it is a safe one
        for number, test in enumerate((tree or {}).get("tests", ()), 1):
            rule = tree.get("rule_id") or path.rpartition("/")[2].removesuffix(".yaml")
            name = test.get("test_title") or f"{rule}-{test.get('test_id', number)}"
            stages = tuple(_stage(one.get("stage", one)) for one in test["stages"])
            yield Case(str(name), stages)


def _stage(tree: Tree) -> Stage:
    message, wanted = _message(tree["input"]), tree["output"]
    log = wanted.get("log") or {}
    expect, refuse = set(log.get("expect_ids", ())), set(log.get("no_expect_ids", ()))
    lines = [log["match_regex"]] if "match_regex" in log else []
    no_lines = [log["no_match_regex"]] if "no_match_regex" in log else []
    for word, ids, texts in (("log", expect, lines), ("no_log", refuse, no_lines)):
        old = str(wanted.get(f"{word}_contains", ""))
        found = _ID.fullmatch(old)
        if found:
            ids.add(int(found.group(1)))
        elif old:
            texts.append(old)
    status = wanted.get("status", ())
    return Stage(
        message,
        answered(message),
        frozenset(expect),
        frozenset(refuse),
        tuple(lines),
        tuple(no_lines),
        frozenset(status if isinstance(status, list) else [status] if status else ()),
        bool(wanted.get("expect_error")),
    )


def _message(tree: Tree) -> Message:
    if "encoded_request" in tree:
        return from_raw(base64.b64decode(tree["encoded_request"].replace("\n", "")))
    headers = {str(name): str(value) for name, value in (tree.get("headers") or {}).items()}
    names = {name.lower(): name for name in headers}
    data, method = tree.get("data"), str(tree.get("method", "GET"))
    text = "\n".join(data) if isinstance(data, list) else "" if data is None else str(data)
    complete = tree.get("autocomplete_headers", not tree.get("stop_magic", False))
    if text and complete:
        if "content-type" not in names:
            headers[names.setdefault("content-type", "Content-Type")] = FORM
        if headers[names["content-type"]] == FORM:
            text = _encoded(text)
    body = text.encode()
    if headers.get(names.get("content-type", ""), "").startswith("multipart/form-data;"):
        body = body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    if complete:
        if "connection" not in names:
            headers["Connection"] = "close"
        if "content-length" not in names and (body or _BODIED.search(method)):
            headers["Content-Length"] = str(len(body))
    pairs: Headers = tuple((name.encode(), value.encode()) for name, value in headers.items())
    target, protocol = str(tree.get("uri", "/")), str(tree.get("version", "HTTP/1.1"))
    return Message(method.encode(), target.encode(), pairs, body, protocol.encode())


def _encoded(text: str) -> str:
    """A form whose values are written plainly, percent-encoded; any other as it is."""
    if unquote_plus(text) != text:
        return text
    pairs = (part.partition("=") for part in text.split("&"))
    return "&".join(quote_plus(name) + sign + quote_plus(value) for name, sign, value in pairs)


def answered(message: Message) -> Reply:
    """What CRS's own test application answers: what a request to /reflect asks for."""
    if not message.target.startswith(b"/reflect") or not message.body:
        return Reply()
    try:
        asked = json.loads(message.body)
    except ValueError:
        return Reply()
    body = base64.b64decode(asked["encodedBody"]) if "encodedBody" in asked else b""
    body = body or str(asked.get("body", "")).encode()
    headers = {str(name): str(value) for name, value in (asked.get("headers") or {}).items()}
    if "content-type" not in {name.lower() for name in headers}:
        headers["Content-Type"] = "text/plain"
    pairs = tuple((name.encode(), value.encode()) for name, value in headers.items())
    return Reply(int(asked.get("status", 200)), pairs, body)
