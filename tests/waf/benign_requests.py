"""The benign corpus: some thousands of requests that nobody may be stopped for.

The shares are those of an ordinary site with an application and an API. A seed makes it the same
everywhere; `recorded()` adds what a real Chromium sent.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any, Final
from urllib.parse import quote_plus, urlencode

import benign_api
import benign_more
from benign_clients import BROWSERS, TOOLS, Pairs, address, cookies, identifier, jwt, token
from benign_texts import CODE, FILE_NAMES, NAMES, PLACES, SENTENCES
from messages import Message, from_raw, get, post

SEED: Final = 20_250_101
FORM: Final = "application/x-www-form-urlencoded"
RECORDED: Final = Path(__file__).parent / "benign" / "chromium.jsonl"


def text(random: Random, least: int = 1, most: int = 5) -> str:
    """Sentences of one language."""
    known = SENTENCES[random.choice(list(SENTENCES))]
    return " ".join(random.choice(known) for _ in range(random.randint(least, most)))


def password(random: Random) -> str:
    """As a password manager makes them."""
    letters = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
    return "".join(random.choice(letters + "!#%&*+-./:=?@_") for _ in range(16))


def _compact(tree: Any) -> str:
    """As a browser writes JSON."""
    return json.dumps(tree, ensure_ascii=False, separators=(",", ":"))


def _browser(random: Random) -> Pairs:
    return (*random.choice(BROWSERS), ("Cookie", cookies(random)))


def _origin(random: Random) -> Pairs:
    back = f"https://app.example{address(random)}"
    return (*_browser(random), ("Origin", "https://app.example"), ("Referer", back))


def navigation(random: Random) -> Message:
    """A page."""
    headers = _browser(random)
    if random.random() < 0.6:
        headers = (*headers, ("Referer", f"https://app.example{address(random)}"))
    return get(address(random), *headers)


def asset(random: Random) -> Message:
    """A part of a page."""
    name = random.choice(("app.4f3a9c.js", "style.css", "logo.svg", "font.woff2", "hero@2x.webp"))
    headers = (*random.choice(BROWSERS), ("Referer", "https://app.example/"))
    if random.random() < 0.4:
        headers = (*headers, ("If-None-Match", f'W/"{token(random, 9)}"'))
    if random.random() < 0.1:
        headers = (*headers, ("Range", "bytes=0-65535"))
    return get(f"/static/{name}?v={random.randint(1, 99)}", *headers)


def form(random: Random) -> Message:
    """A form that a person has filled in."""
    every: list[tuple[str, dict[str, str]]] = [
        ("/comments", {"comment": text(random), "rating": "5", "csrf": token(random)}),
        ("/contact", {"name": random.choice(NAMES), "subject": text(random, 1, 1)}),
        ("/login", {"username": "anna", "password": password(random), "remember": "on"}),
        ("/checkout", {"address[street]": random.choice(PLACES), "note": text(random, 1, 2)}),
        ("/profile", {"bio": text(random, 2, 9), "url": "https://example.org/~anna/?p=1&x=a"}),
        ("/search", {"q": text(random, 1, 1), "in[]": "title", "from": "01/05/2024"}),
        ("/settings", {"json": _compact({"a": [1, 2], "note": text(random, 1, 1)})}),
        (
            "/token",
            {"grant_type": "authorization_code", "code": token(random), "token": jwt(random)},
        ),
    ]
    path, fields = random.choice(every)
    return post(path, FORM, urlencode(fields).encode(), *_origin(random))


def upload(random: Random) -> Message:
    """A file beside some fields."""
    line = f"----WebKitFormBoundary{token(random, 12).replace('-', 'x').replace('_', 'y')}"
    name = random.choice(FILE_NAMES)
    content = {"csv": b"id;name\r\n1;O'Brien\r\n", "txt": text(random).encode()}.get(
        name.rpartition(".")[2], zlib.compress(random.randbytes(900))
    )
    head = f'Content-Disposition: form-data; name="note"\r\n\r\n{text(random, 1, 2)}\r\n'
    file = f'Content-Disposition: form-data; name="file"; filename="{name}"\r\n'
    file += "Content-Type: application/octet-stream\r\n\r\n"
    parts = f"--{line}\r\n{head}--{line}\r\n{file}".encode() + content
    body = parts + f"\r\n--{line}--\r\n".encode()
    return post("/files", f"multipart/form-data; boundary={line}", body, *_origin(random))


def call(random: Random) -> Message:
    """An API call with a body."""
    path, body = benign_api.call(random, text)
    headers = random.choice((random.choice(TOOLS), _origin(random)))
    signed = (*headers, ("Authorization", f"Bearer {jwt(random)}"))
    made = post(path, "application/json", _compact(body).encode(), *signed)
    method = random.choices((b"POST", b"PUT", b"PATCH"), (8, 1, 1))[0]
    return Message(method, made.target, made.headers, made.body)


def tool(random: Random) -> Message:
    """An API call without one."""
    headers = (*random.choice(TOOLS), ("X-Request-Id", identifier(random)))
    made = get(address(random), *headers, ("Authorization", f"Bearer {jwt(random)}"))
    method = random.choices((b"GET", b"DELETE", b"HEAD"), (8, 1, 1))[0]
    return Message(method, made.target, made.headers)


def xml(random: Random) -> Message:
    """A SOAP call, a feed, a SAML answer."""
    path, kind, body = benign_api.document(random, text)
    return post(path, kind, body, *random.choice((random.choice(TOOLS), _origin(random))))


def code(random: Random) -> Message:
    """A page of a wiki, or a chat, with code in it."""
    body = f"{text(random)}\n\n{random.choice(CODE)}\n\n{text(random)}"
    if random.random() < 0.5:
        return post(
            "/api/pages/7",
            "application/json",
            _compact({"markdown": body}).encode(),
            *_origin(random),
        )
    return post(
        "/wiki/edit", FORM, f"title=Notes&body={quote_plus(body)}".encode(), *_origin(random)
    )


SHARES: Final[tuple[tuple[Callable[[Random], Message], int], ...]] = (
    (navigation, 1500),
    (asset, 500),
    (form, 800),
    (call, 900),
    (tool, 500),
    (upload, 200),
    (xml, 100),
    (code, 15),
    *benign_more.SHARES,
)
"""What there is, and how many of it."""


def corpus() -> Iterator[tuple[str, Message]]:
    """Every request with the name of its kind."""
    yield from _made(SHARES)
    for message in recorded():
        yield "recorded", message


def special() -> Iterator[tuple[str, Message]]:
    """What only some sites have, and then have much of."""
    yield from _made(benign_more.SPECIAL)


def _made(
    shares: tuple[tuple[Callable[[Random], Message], int], ...],
) -> Iterator[tuple[str, Message]]:
    for make, count in shares:
        random = Random(f"{SEED} {make.__name__}")  # noqa: S311  the same everywhere
        for _ in range(count):
            yield make.__name__, make(random)


def recorded() -> Iterator[Message]:
    """What Chromium sent when `benign/record.py` led it through pages."""
    for line in RECORDED.read_text().splitlines():
        tree: dict[str, Any] = json.loads(line)
        yield from_raw(tree["request"].encode("latin-1"))
