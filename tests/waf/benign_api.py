"""Bodies as application interfaces have them: JSON of many shapes, some XML."""

from __future__ import annotations

import base64
from collections.abc import Callable
from html import escape
from random import Random
from typing import Any, Final

from benign_clients import identifier, token
from benign_texts import NAMES, PLACES, SEARCHES

Text = Callable[..., str]
GRAPHS: Final = 0.01
"""The share of GraphQL among API calls."""


def call(random: Random, text: Text) -> tuple[str, Any]:
    """A path and the tree that is sent to it."""
    every: list[tuple[str, Any]] = [
        ("/api/orders", _order(random, text)),
        ("/api/events", [_event(random) for _ in range(random.randint(1, 8))]),
        ("/api/documents/12", _document(random, text)),
        ("/rpc", {"jsonrpc": "2.0", "method": "notes.add", "params": [text(random)], "id": 7}),
        ("/api/search", _query(random)),
        ("/hooks/git", _hook(random, text)),
        ("/api/chat", {"channel": "#general", "text": text(random), "ts": "1717243200.000200"}),
        ("/api/patch", [{"op": "replace", "path": "/name", "value": random.choice(NAMES)}]),
        ("/api/translate", {"source": "en", "target": "de", "q": [text(random), text(random)]}),
        ("/api/assist", _assist(random, text)),
        ("/api/metrics", {"series": [[1717243200 + n, n * 0.5, None, True] for n in range(30)]}),
    ]
    graph = ("/graphql", _graphql(random, text))
    return graph if random.random() < GRAPHS else random.choice(every)


def document(random: Random, text: Text) -> tuple[str, str, bytes]:
    """A path, a content type and an XML body; SAML comes as a form."""
    words = escape(text(random, 1, 2))
    kind = random.randrange(3)
    if kind == 0:
        body = (
            '<?xml version="1.0" encoding="UTF-8"?><soap:Envelope '
            'xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>'
            f'<Order xmlns="urn:shop"><Id>{random.randint(1, 9999)}</Id><Note>{words}</Note>'
            "</Order></soap:Body></soap:Envelope>"
        )
        return "/soap", "text/xml; charset=utf-8", body.encode()
    if kind == 1:
        body = (
            '<feed xmlns="http://www.w3.org/2005/Atom"><entry>'
            f"<title>{words}</title><id>urn:uuid:{identifier(random)}</id>"
            "<updated>2024-05-01T12:00:00Z</updated></entry></feed>"
        )
        return "/feed", "application/xml", body.encode()
    saml = f"<Response ID='_{token(random)}'><Subject>{words}</Subject></Response>"
    encoded = base64.b64encode(saml.encode()).decode().replace("+", "%2B").replace("=", "%3D")
    form = f"SAMLResponse={encoded}&RelayState=%2Fhome".encode()
    return "/saml/acs", "application/x-www-form-urlencoded", form


def _order(random: Random, text: Text) -> Any:
    lines = [
        {"sku": f"AB-{random.randint(100, 999)}/X", "n": random.randint(1, 9), "price": 12.5}
        for _ in range(random.randint(1, 20))
    ]
    person = {"name": random.choice(NAMES), "street": random.choice(PLACES), "phone": "+49 89 123"}
    return {"customer": person, "lines": lines, "note": text(random), "coupon": None, "gift": False}


def _graphql(random: Random, text: Text) -> Any:
    query = (
        "query Items($first: Int!, $after: String, $filter: ItemFilter) {\n  items(first: $first, "
        "after: $after, filter: $filter) {\n    edges { node { id name owner { id login } } }\n"
        "    pageInfo { endCursor hasNextPage }\n  }\n}"
    )
    change = "mutation Add($input: NoteInput!) { addNote(input: $input) { note { id text } } }"
    values = {"first": 20, "after": token(random), "filter": {"state": "OPEN"}}
    return random.choice(
        (
            {"operationName": "Items", "query": query, "variables": values},
            {"query": change, "variables": {"input": {"text": text(random)}}},
        )
    )


def _event(random: Random) -> Any:
    return {
        "event": random.choice(("page_view", "click", "add_to_cart", "select_item", "purchase")),
        "anonymousId": identifier(random),
        "context": {"page": {"path": "/shop", "search": "?q=shoes&size=42"}, "tz": "Europe/Oslo"},
        "properties": {"query": random.choice(SEARCHES), "value": random.random()},
        "element": "main > ul.list > li:nth-child(3) > a[href]",
    }


def _document(random: Random, text: Text) -> Any:
    blocks = [
        {"type": "paragraph", "children": [{"text": text(random, 1, 2), "bold": n % 3 == 0}]}
        for n in range(random.randint(2, 12))
    ]
    delta = {
        "ops": [{"insert": text(random) + "\n", "attributes": {"link": "https://a.example/?b=c"}}]
    }
    return random.choice(({"content": blocks, "version": 4}, {"delta": delta, "base": 17}))


def _query(random: Random) -> Any:
    word = random.choice(SEARCHES)
    return {
        "query": {
            "bool": {"must": [{"match": {"title": word}}], "filter": [{"range": {"p": {"gte": 1}}}]}
        },
        "sort": [{"date": {"order": "desc"}}, "_score"],
        "from": 0,
        "size": 20,
    }


def _hook(random: Random, text: Text) -> Any:
    person = {"name": random.choice(NAMES), "email": "a.b@example.org"}
    change = {
        "id": random.randbytes(20).hex(),
        "message": f"Fix #12: {text(random, 1, 1)}\n\nCo-authored-by: A B <a.b@example.org>",
        "author": person,
        "modified": ["src/app.py", "docs/index.md", ".gitlab/ci.yml"],
    }
    return {"ref": "refs/heads/main", "commits": [change], "compare": "https://git.example/a...b"}


def _assist(random: Random, text: Text) -> Any:
    said = [{"role": "user", "content": text(random, 2, 8)} for _ in range(random.randint(1, 3))]
    return {"model": "small", "messages": said, "temperature": 0.2, "stream": True}
