"""`@detectSQLi` and `@detectXSS` agree with libinjection in C."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from urllib.parse import quote

import payloads
import pytest
from benign_texts import CODE, NAMES, PLACES, RARE, SEARCHES, SENTENCES
from engine import Engine
from messages import Message, post
from oracles import Oracle
from ratchet import had
from rule_sets import Rules

RULES = """\
SecRequestBodyAccess On
SecRule ARGS_POST:v "@detectSQLi" "id:1,phase:2,pass,log"
SecRule ARGS_POST:v "@detectXSS" "id:2,phase:2,pass,log"
"""
SQL = (
    "'", '"', "`", "--", "/*", "*/", "#", ";", "(", ")", ",", "=", "1", "0x1f", "a", "or", "and",
    "union", "select", "from", "where", "null", "@@x", "in", "like", "sleep", "!", "||", "\\",
    "having", "1e5", "{", "}", "[", "x'", "$$", "int", "cast", "as", "%", "~", "is", "not",
)  # fmt: skip
HTML = (
    "<", ">", "/", "script", "img", "src", "on", "onload", "=", "'", '"', "`", "javascript:", "a",
    "href", "style", "xmlns", "!--", "--", "%", "?", "svg", "iframe", "data:", "&#106;", "import",
    "!doctype", "![cdata[", "]]>", "\t", "xlink:href", "vbscript", "&#x6a", "formaction",
)  # fmt: skip
RANDOM_VALUES = 3_000
AGREE = 0.999
"""The wheel is libinjection 3.10 of 2017; where a later one differs we follow the later one."""


def values() -> Iterator[str]:
    """Attacks, prose, code and random words of both languages."""
    for category in ("sqli", "xss", "cmdexe"):
        yield from payloads.wapiti(category)
    yield from (one for known in SENTENCES.values() for one in known)
    yield from (*CODE, *NAMES, *PLACES, *RARE, *SEARCHES)
    random = Random(29)  # noqa: S311  the same every time
    for number in range(RANDOM_VALUES):
        words = random.choices(HTML if number % 2 else SQL, k=random.randint(1, 9))
        yield random.choice(("", " ")).join(words)


def form(value: str) -> Message:
    return post("/", payloads.FORM, b"v=" + quote(value, safe="").encode())


@pytest.mark.parametrize(("rule", "name"), [(1, "sqli"), (2, "xss")])
def test_values_are_judged_as_in_c(rule: int, name: str) -> None:
    engine = Engine(Rules((("own.conf", RULES),)), block=False)
    every = [one for one in dict.fromkeys(had(lambda: list(values()))) if "\0" not in one]
    oracle = had(lambda: Oracle("libinjection", {}))
    try:
        different = [
            value
            for value in every
            if (rule in engine.ask(form(value)).rules) != oracle.ask({"value": value})[name]
        ]
    finally:
        oracle.close()
    assert len(every) > RANDOM_VALUES
    assert len(different) <= (1 - AGREE) * len(every), (len(different), different[:40])
