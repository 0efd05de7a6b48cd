"""Transformations and decisions agree with libmodsecurity where both should."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from urllib.parse import quote

import payloads
import pytest
from benign_requests import corpus
from engine import Engine
from messages import Message, post
from oracles import ModSecurity
from ratchet import had
from rule_sets import Rules, crs4

CHAINS = (
    "urlDecode", "urlDecodeUni", "lowercase", "jsDecode", "htmlEntityDecode", "utf8toUnicode",
    "removeNulls", "cssDecode", "cmdLine", "removeWhitespace", "replaceComments", "normalizePath",
    "escapeSeqDecode", "compressWhitespace", "normalizePathWin", "base64Decode", "hexEncode",
    "removeCommentsChar", "removeComments", "replaceNulls", "trim", "length", "base64DecodeExt",
)  # fmt: skip
PIECES = (
    "a", "B", " ", "  ", "\t", "\n", "\0", "%", "%4", "%41", "%u0041", "%uff0e", "%u", "+", "&lt;",
    "&amp", "&#65;", "&#x41;", "&#", "&nbsp;", "&quot;", "\\", "\\x41", "\\u0041", "\\101", "\\n",
    "\\41 ", "/*", "*/", "--", "#", "<!--", "-->", "/", "//", "/./", "/../", "..", "\\..\\", "é",
    "\u2019", "QUJD", "=", "^", ";", ",", '"', "'", "(", "\xa0",
)  # fmt: skip
VALUES = 150
OURS = "ours does not do as ModSecurity does"
THEIRS = "theirs is odd, and CRS does not need it"
DIFFERENT: Mapping[str, tuple[int, str]] = {
    "base64Decode": (150, f"{OURS}: what is no base64 stays as it is there"),
    "base64DecodeExt": (2, f"{THEIRS}: a byte at the end decides about everything"),
    "compressWhitespace": (15, f"{OURS}: a lone byte A0 is no space there"),
    "escapeSeqDecode": (40, f"{OURS}: what is no escape loses its backslash there"),
    "htmlEntityDecode": (1, f"{THEIRS}: text after an entity without a semicolon is lost"),
    "normalizePath": (10, f"{THEIRS}: two dots within a name go up"),
    "normalizePathWin": (15, f"{THEIRS}: two dots within a name go up"),
    "removeComments": (30, f"{OURS}: an open comment becomes a space there"),
    "removeWhitespace": (15, f"{OURS}: C2 A0 goes as a whole there"),
    "trim": (4, f"{OURS}: a lone byte A0 is no space there"),
    "utf8toUnicode": (15, f"{THEIRS}: a NUL is lost"),
}
"""Of the values, how many come out differently at most, and whose fault that is."""
AGREE = {"benign": 0.995, "attacks": 1.0}
"""It compiles `^` and `$` for lines, as CRS no longer wants; a second line of prose is the start of
a value there."""


def chain_rules() -> Rules:
    """One rule for each transformation; the log says what came out, as hex."""
    rules = "".join(
        f'SecRule ARGS_POST:v "@unconditionalMatch" "id:{number},phase:2,pass,log,t:none,'
        f"t:{chain},t:hexEncode,logdata:'%{{MATCHED_VAR}}'\"\n"
        for number, chain in enumerate(CHAINS, 1)
    )
    return Rules((("own.conf", "SecRequestBodyAccess On\n" + rules),))


def form(value: str) -> Message:
    return post("/", payloads.FORM, b"v=" + quote(value, safe="").encode())


def test_transformations_give_the_same_bytes() -> None:
    engine = Engine(chain_rules(), block=False, decode_overlong=False)
    oracle = had(lambda: ModSecurity(chain_rules(), block=False))
    random = Random(29)  # noqa: S311  the same every time
    different: dict[str, list[str]] = {}
    for _ in range(VALUES):
        message = form("".join(random.choices(PIECES, k=random.randint(1, 8))))
        theirs = oracle.inspect(message)
        ours = engine.plan.inspect("POST", message.target, message.headers, message.body).matches
        mine = {one.id: one.data for one in ours}
        for rule, data in zip(theirs["rules"], theirs["data"], strict=True):
            if mine.get(rule) != data:
                said = f"{message.body!r}: {mine.get(rule)}, not {data}"
                different.setdefault(CHAINS[rule - 1], []).append(said)
    oracle.close()
    for name, every in different.items():
        most, why = DIFFERENT.get(name, (0, "these were equal"))
        assert len(every) <= most, f"{name}: {len(every)} differ ({why}): {every[:3]}"


@pytest.mark.parametrize("kind", ["benign", "attacks"])
def test_the_same_requests_are_blocked(kind: str) -> None:
    rules = had(crs4)
    oracle = had(lambda: ModSecurity(rules, block=True))
    engine = Engine(rules, block=True, decode_overlong=False)
    if kind == "benign":
        asked = [message for _, message in corpus()][::5]
    else:
        texts = had(
            lambda: [(one, text) for one in payloads.WAPITI for text in payloads.wapiti(one)]
        )
        asked = [one for name, text in texts for one in payloads.requests(name, text)]
    different = []
    for message in asked:
        ours, theirs = engine.ask(message), oracle.inspect(message)
        if ours.blocked != bool(theirs["status"]):
            different.append((message.target[:80], message.body[:80], ours.rules, theirs["rules"]))
    oracle.close()
    assert len(different) <= (1 - AGREE[kind]) * len(asked), (
        len(different),
        len(asked),
        different[:9],
    )
