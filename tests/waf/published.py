"""Published sets that no rule was written for at first, as their own tools send them.

What a tool sends in Base64 or in another disguise that no application undoes by itself counts as a
class of its own, so that it hides nothing else.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from html import escape
from typing import Any, Final
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape as entities

import yaml
from corpora import Snapshot, snapshot_files
from messages import Message, get, post
from payloads import ACCEPT, AGENT, CATEGORIES, FORM, in_arguments, mgm

Asked = Iterator[tuple[str, Message]]
"""Requests with the name of their class."""
GOTESTWAF: Final = Snapshot("gotestwaf", "67dfd7a73f4e7ecd2908c8fb2c96f5e62f1d53b6")
WAF_BYPASS: Final = Snapshot("waf-bypass", "c469703eddfc77b4b294387d05cd01f4354a74c6")
LISTS: Final = Snapshot("PayloadsAllTheThings", "f9fa51417886ac11476cb62db2dff21773dc570b")
NAME: Final = "a3f09c41d2"
"""What the tools draw anew for each request: the name of a parameter."""
_TARGET: Final = "!#$%&'()*+,/:;=?@[]~"


def gotestwaf(kind: str) -> Asked:
    """The cases of wallarm's gotestwaf; `attacks`, or `benign`: its own false positives.

    Its calls in gRPC are left out: of a call only the head is inspected.
    """
    for name, data in sorted(snapshot_files(GOTESTWAF, "testcases").items()):
        text = re.sub(r"(?<!\\)\\'", "'", data.decode())
        case = yaml.safe_load(text)
        folder = name.split("/")[1]
        if (folder == "false-pos") != (kind == "benign"):
            continue
        for payload in case["payload"]:
            for encoder in case["encoder"]:
                sent = _GO_ENCODERS[encoder](payload)
                group = f"{folder} in base64" if encoder.startswith("Base64") else folder
                for place in case["placeholder"]:
                    yield from ((group, one) for one in _go_places(place, sent))


_GO_ENCODERS: Final[Mapping[str, Callable[[str], str]]] = {
    "Plain": lambda text: text,
    "URL": lambda text: quote(text, safe="$&+:=@"),
    "Base64": lambda text: base64.b64encode(text.encode()).decode(),
    "Base64Flat": lambda text: base64.b64encode(text.encode()).decode().rstrip("="),
}


def _go_places(place: str | Mapping[str, Any], sent: str) -> Iterator[Message]:
    if isinstance(place, str):
        if place != "gRPC":
            yield _GO_PLACES[place](sent)
        return
    ((name, told),) = place.items()
    if name == "RawRequest":
        headers = told.get("headers", {}).items()
        pairs = [(key, value.replace("{{payload}}", sent)) for key, value in headers]
        body = told.get("body", "").replace("{{payload}}", sent).encode()
        yield _made(told["method"], told.get("path", "/"), body, *pairs)
    elif told["method"] == "GET":
        yield _made("GET", f"/?query={quote_plus(sent)}")
    else:
        yield _made("POST", "/", sent.encode())


def _multipart(sent: str) -> Message:
    line = "0bf1c6ad94e3"
    head = f'--{line}\r\nContent-Disposition: form-data; name="{NAME}"\r\n\r\n'
    body = f"{head}{sent}\r\n--{line}--\r\n".encode()
    return post("/", f"multipart/form-data; boundary={line}", body, AGENT, ACCEPT)


def _json(sent: str) -> Message:
    wide = sent.encode("utf-16-be")
    codes = "".join(f"\\u{wide[n]:02x}{wide[n + 1]:02x}" for n in range(0, len(wide), 2))
    body = f'{{"test": true, "{NAME}": "{codes}"}}'.encode()
    return post("/", "application/json", body, AGENT, ACCEPT)


def _soap(sent: str) -> Message:
    body = (
        '<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/'
        f'soap/envelope/"><s:Body><ab{NAME}><string>{entities(sent)}</string></ab{NAME}></s:Body>'
        "</s:Envelope>"
    )
    return post("/", "text/xml", body.encode(), AGENT, ACCEPT)


_GO_PLACES: Final[Mapping[str, Callable[[str], Message]]] = {
    "URLPath": lambda sent: _made("GET", f"/{sent}"),
    "URLParam": lambda sent: _made("GET", f"/?{NAME}={sent}"),
    "HTMLForm": lambda sent: post("/", FORM, f"{NAME}={sent}".encode(), AGENT, ACCEPT),
    "HTMLMultipartForm": _multipart,
    "JSONRequest": _json,
    "JSONBody": lambda sent: post("/", "application/json", sent.encode(), AGENT, ACCEPT),
    "Header": lambda sent: _made("GET", "/", b"", (f"X-{NAME}", sent)),
    "UserAgent": lambda sent: _made("GET", "/", b"", ("User-Agent", sent)),
    "XMLBody": lambda sent: post("/", "application/xml", sent.encode(), AGENT, ACCEPT),
    "SOAPBody": _soap,
    "RequestBody": lambda sent: _made("POST", "/", sent.encode()),
}


def _made(method: str, target: str, body: bytes = b"", *more: tuple[str, str]) -> Message:
    """A request with a browser's headers where `more` has none of that name."""
    has = {name.lower() for name, _ in more}
    usual = [pair for pair in (AGENT, ACCEPT) if pair[0].lower() not in has]
    sized = [("Content-Length", str(len(body)))] if body else []
    target = quote(target.partition("#")[0], safe=_TARGET)
    asked = get(target, *usual, *more, *sized)
    return Message(method.encode(), asked.target, asked.headers, body)


_ZONES: Final = ("URL", "ARGS", "BODY", "COOKIE", "USER-AGENT", "REFERER", "HEADER")


def waf_bypass(kind: str) -> Asked:
    """The cases of nemesida's waf-bypass; `attacks`, or `benign`: its own false positives.

    Its client names no content type for a body unless the case says JSON or multipart.
    """
    for name, data in sorted(snapshot_files(WAF_BYPASS, "utils/payload").items()):
        folder = name.removeprefix("utils/payload/").partition("/")[0]
        (case,) = json.loads(data.decode())["payload"]
        if case["BLOCKED"] != (kind == "attacks"):
            continue
        hidden = [] if folder in ("API", "MFD") else (case.get("ENCODE") or "").split()
        for zone in _ZONES:
            if not case.get(zone):
                continue
            text = case[zone].replace("%RND%", "5f2c1b")
            yield folder, _zoned(zone, text, case, folder)
            for encoder in hidden if zone != "URL" else []:
                sent = _disguised(zone, text, encoder.upper())
                yield f"in {encoder.upper()}", _zoned(zone, sent, case, folder)


def _zoned(zone: str, sent: str, case: Mapping[str, Any], folder: str) -> Message:
    method = (case.get("METHOD") or ("POST" if zone == "BODY" else "GET")).upper()
    more: list[tuple[str, str]] = []
    if case.get("JSON") or folder == "API":
        more = [("Content-Type", "application/json")]
    if folder == "MFD":
        line = case.get("BOUNDARY") or "9f" * 30
        more = [("Content-Type", f"multipart/form-data; boundary={line}")]
        if not case.get("BOUNDARY"):
            head = f'--{line}\r\nContent-Disposition: form-data; name="{NAME}"\r\n\r\n'
            sent = f"{head}{sent}\r\n--{line}--\r\n"
    if zone == "URL":
        return _made(method, f"/{sent.lstrip('/')}", b"", *more)
    if zone == "ARGS":
        return _made(method, f"/?{sent.replace('#', '%23')}", b"", *more)
    if zone == "BODY":
        return _made(method, "/", sent.encode(), *more)
    header = {"COOKIE": "Cookie", "USER-AGENT": "User-Agent", "REFERER": "Referer"}
    value = f"WBC-5f2c1b={sent}" if zone == "COOKIE" else sent
    return _made(method, "/", b"", *more, (header.get(zone, "WBH-5f2c1b"), value))


def _disguised(zone: str, text: str, encoder: str) -> str:
    """Each value encoded; the names of arguments stay."""
    change = _DISGUISES[encoder]
    if zone not in ("ARGS", "BODY"):
        return change(text)
    parts = [one.partition("=") for one in text.split("&")]
    return "&".join(
        name + is_ + change(value) if is_ else change(name) for name, is_, value in parts
    )


_DISGUISES: Final[Mapping[str, Callable[[str], str]]] = {
    "HTML-ENTITY": lambda text: quote_plus(escape(text)),
    "UTF-16": lambda text: "".join(f"\\u00{ord(one):x}" for one in text),
    "BASE64": lambda text: base64.b64encode(text.encode()).decode(),
}
FOLDERS: Final = {
    "CRLF Injection": "crlf",
    "Command Injection": "cmdexe",
    "Directory Traversal": "traversal",
    "File Inclusion": "inclusion",
    "LDAP Injection": "ldap",
    "NoSQL Injection": "nosql",
    "SQL Injection": "sqli",
    "Server Side Include Injection": "ssi",
    "XSS Injection": "xss",
    "XXE Injection": "xxe",
}
"""Lists for an argument; those of names, keys and addresses elsewhere are no attacks on one."""
LARGE, EVERY = 400, 10
"""Of a longer list every tenth line is taken."""


def lists() -> Asked:
    """The lists for fuzzers in PayloadsAllTheThings, each line in a query and in a form."""
    for name, data in sorted(snapshot_files(LISTS, *FOLDERS).items()):
        folder, _, rest = name.partition("/")
        listed = re.match(r"(?:Intruders?|Files)/[^/]+\.txt$", rest)
        if not listed or name.endswith("LDAP_attributes.txt"):
            continue
        lines = _lines(data)
        for line in lines[:: EVERY if len(lines) > LARGE else 1]:
            yield from ((FOLDERS[folder], one) for one in _listed(FOLDERS[folder], line))


def _listed(kind: str, line: str) -> Iterator[Message]:
    if kind == "xxe":
        yield post("/", "application/xml", line.encode(), AGENT, ACCEPT)
    else:
        yield from in_arguments(NAME, line)


SQL_LISTS: Final = Snapshot(
    "sql-injection-payload-list", "6e55457963a04377b904a93a6a65bb49dfe7bccb"
)
XSS_LIST: Final = Snapshot("xss-payload-list", "d473925ebc9aaec0ac8bdb9aa9d26be8d163af04")


def payloadbox() -> Asked:
    """The lists of payloadbox without what stands in a set that was looked at, each in both places.

    Lines that begin with `# ` are comments in them.
    """
    seen = {line for one in CATEGORIES for line in mgm(one)}
    seen |= {line for data in snapshot_files(LISTS, *FOLDERS).values() for line in _lines(data)}
    for kind, snapshot in (("sqli", SQL_LISTS), ("xss", XSS_LIST)):
        files = sorted(snapshot_files(snapshot, "Intruder").items())
        every = (line for _, data in files for line in _lines(data))
        fresh = [one for one in dict.fromkeys(every) if one not in seen and one[:2] != "# "]
        for line in fresh[:: EVERY if len(fresh) > LARGE else 1]:
            yield from ((kind, one) for one in in_arguments(NAME, line))


def _lines(data: bytes) -> list[str]:
    return [one for one in data.decode("utf-8", "replace").splitlines() if one.strip()]
