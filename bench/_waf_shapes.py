"""The requests of the WAF claim. `n` tells visitors apart: no two requests of a run are the same.

A GET with ten headers, three cookies and three arguments; 2 KB of JSON with 103 leaves; a form of
0.9 KB with eleven fields; an attack in an argument; a page of 24 KB; and two requests inside the
limits that cost an engine most: 900 leaves of JSON, and one field of 97 KB.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

PAGE_PATH: Final = "/page"
PAGE: Final = "<!doctype html><title>Shop</title>" + "".join(
    f'<li class="item"><a href="/shop/{n}?size=42&amp;sort=price">Item {n}</a>: well made, '
    f"costs {n}.95 and isn't heavy; ask for it</li>\n"
    for n in range(189)
)
"""24 KB of HTML that leaks nothing."""
_HEADERS: Final = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/126.0.0.0 Safari/537.36",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
    "Accept-Language: de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7",
    "Accept-Encoding: gzip, deflate, br",
    "Referer: https://app.example/shop?page=1",
    "Sec-Fetch-Site: same-origin",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Dest: document",
)
_LONG_NAME: Final = "Boots, brown, handmade, a heel of 3 cm, with laces; they last for years, size"
_FORM: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of request."""

    name: str
    make: Callable[[int], bytes]
    status: int = 200


def _request(n: int, first: str, kind: str = "", body: bytes = b"") -> bytes:
    cookies = f"session={n * 7919:032x}; theme=dark; seen={n}"
    lines = [f"{first} HTTP/1.1", "Host: app.example", *_HEADERS, f"Cookie: {cookies}"]
    if kind:
        lines += [f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def _get(n: int) -> bytes:
    return _request(n, f"GET /shop/shoes?size=42&page={n}&q=leather+boots+{n}")


def _attack(n: int) -> bytes:
    return _request(n, f"GET /shop?id={n}%20UNION%20SELECT%20name%2Cpassword%20FROM%20users--")


def _page(n: int) -> bytes:
    return _request(n, f"GET {PAGE_PATH}?v={n}")


def leaves(n: int, items: int, name: str) -> bytes:
    """JSON with six leaves an item."""
    tree = [
        {"id": n + i, "name": f"{name} {n + i}", "tags": ["new", "red"], "price": i + 0.95, "n": i}
        for i in range(items)
    ]
    return json.dumps({"cart": n, "items": tree}).encode()


def _json(n: int) -> bytes:
    return _request(
        n,
        "POST /api/orders",
        "application/json",
        leaves(n, 17, "Boots, brown, made to last, size")[:-1] + b', "x": null}',
    )


def _form(n: int) -> bytes:
    text = (
        f"The boots {n} arrived on time, but one heel is loose; can you repair it or send others?"
    )
    fields = {f"field{i}": text[: 62 + 3 * i] for i in range(10)} | {"id": str(n)}
    return _request(n, "POST /contact", _FORM, urlencode(fields).encode())


def _many(n: int) -> bytes:
    return _request(n, "POST /api/orders", "application/json", leaves(n, 150, _LONG_NAME))


def _long(n: int) -> bytes:
    text = f"The boots {n} arrived on time, but one heel is loose. " * 2000
    return _request(n, "POST /contact", _FORM, urlencode({"text": text}).encode()[:97_000])


SHAPES: Final[Mapping[str, Shape]] = {
    shape.name: shape
    for shape in (
        Shape("GET", _get),
        Shape("JSON 2 KB", _json),
        Shape("form 0.9 KB", _form),
        Shape("attack", _attack, 403),
        Shape("HTML 24 KB", _page),
        Shape("JSON 900 leaves", _many),
        Shape("field 97 KB", _long),
    )
}
