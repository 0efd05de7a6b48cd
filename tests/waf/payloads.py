"""Published attack payloads as requests, one payload in each place where its publisher sends it."""

from __future__ import annotations

import configparser
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote_plus

from corpora import PAYLOADS, python_package, snapshot_files
from messages import Message, get, post

AGENT: Final = (
    "User-Agent",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:105.0) Gecko/20100101 Firefox/105.0",
)
ACCEPT: Final = ("Accept", "*/*")
FORM: Final = "application/x-www-form-urlencoded"
CATEGORIES: Final = ("cmdexe", "log4shell", "shellshock", "sqli", "traversal", "xss", "xxe")


def mgm(category: str, kind: str = "true-positives") -> list[str]:
    """The payloads of one category of mgm-web-attack-payloads."""
    text = snapshot_files(PAYLOADS)[f"nuclei/payloads/{category}/{kind}.txt"]
    return [line for line in text.decode("utf-8", "replace").splitlines() if line]


def requests(category: str, payload: str) -> Iterator[Message]:
    """The requests that the set's own templates make of a payload."""
    if category == "xxe":
        body = payload.encode()
        yield post("/", "application/xml", body, AGENT, ACCEPT)
    elif category in ("log4shell", "shellshock"):
        agent = ("User-Agent", payload)
        yield get("/?tp_param=foobar", agent, ACCEPT)
        yield post("/", FORM, b"tp_param=foobar", agent, ACCEPT)
    else:
        yield from in_arguments("tp_param", payload)
    if category == "shellshock":
        yield list(in_arguments("tp_param", payload))[1]


def in_arguments(name: str, payload: str) -> Iterator[Message]:
    """In the query and in a form; what is percent-encoded already is not encoded twice."""
    value = quote_plus(payload).replace("%25", "%")
    yield get(f"/?{name}={value}", AGENT, ACCEPT)
    yield post("/", FORM, f"{name}={value}".encode(), AGENT, ACCEPT)


WAPITI: Final = {
    "cmdexe": "execPayloads.ini",
    "sqli": "blindSQLPayloads.ini",
    "traversal": "fileHandlingPayloads.ini",
    "xss": "xssPayloads.ini",
    "xxe": "xxePayloads.ini",
}
_PLACES: Final = {
    "[EXTERNAL_ENDPOINT]": "http://collector.example/",
    "[PROTO_ENDPOINT]": "//collector.example/",
    "[TIME]": "7",
    "[VALUE]": "default",
    "[DIRVALUE]": "static",
    "[EXTVALUE]": "php",
    "[FILE_NAME]": "index",
    "[ATTR_SEP]": " ",
    "[VALUE_SEP]": "=",
    "[SPACE]": " ",
    "[TAB]": "\t",
    "[LF]": "\n",
    "[FF]": "\f",
    "[NULL]": "\0",
    "[SESSION_ID]": "7f3a",
    "[PATH_ID]": "12",
    "[PARAM_AS_HEX]": "6964",
}
"""What the scanner puts where its payloads have a place for it."""


def wapiti(category: str) -> list[str]:
    """The payloads of one module of the scanner wapiti."""
    file = python_package("wapiti3") / "wapitiCore/data/attacks" / WAPITI[category]
    parser = configparser.ConfigParser(
        interpolation=None, delimiters=("=",), comment_prefixes=(";",), strict=False
    )
    parser.read_string(file.read_text())
    found = []
    for section in parser.sections():
        text = parser[section].get("payload", "")
        for place, value in _PLACES.items():
            text = text.replace(place, value)
        found += [text] if text and text != "None" else []
    return found
