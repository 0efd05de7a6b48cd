"""Kinds of honest traffic that rules stumble over: code, queries, addresses in addresses, files.

All of it was written for this corpus. Each function makes one request with the random numbers it is
given.
"""

from __future__ import annotations

import base64
import io
import json
import zipfile
from random import Random
from typing import Any, Final
from urllib.parse import quote, quote_plus, urlencode

from benign_clients import BROWSERS, TOOLS, Pairs, address, cookies, identifier, token
from benign_texts import CODE, NAMES, SENTENCES
from messages import Message, get, post

FORM: Final = "application/x-www-form-urlencoded"
SEARCHES: Final = (
    '"data science" -python site:example.org',
    "how to use join and group by",
    "rock 'n' roll | jazz",
    "c++ vs c# (2024)",
    "price > 100 and price < 200",
    "title:(war AND peace) author:tolstoy~2",
    "50% off & free shipping",
    "kölner dom öffnungszeiten",
    "東京 ラーメン おすすめ",
    "где купить ёлку?",
    "café près de l'opéra",
    "<3 quotes",
    "alert fatigue (monitoring)",
    "union square hotels",
    "file:// protocol explained",
)
RARE: Final = (
    "select a plan; update my address",
    "is 1=1 always true?",
    'what\'s "null" in SQL',
    "node.js require('fs') error",
    "/etc/hosts windows equivalent",
)
RARELY: Final = 0.02
"""The share of searches for what rules are about."""
DIFFS: Final = (
    "Why not `return x or y` here?\n\n```suggestion\n    return x if x is not None else y\n```",
    "nit: `const a = b && c;` reads better",
    "@@ -1,4 +1,5 @@\n-import os\n+import sys\n def main():\n     print('hi')\n",
    "This breaks when `len(items) == 0`; see #1234 and https://git.example/a/b/issues/1?x=1#c2",
    "LGTM! Could you rename `tmp` -> `result` (3x)?",
    "The loop `for (i = 0; i < n; i++) { sum += a[i]; }` overflows for n > 2^31.",
    "Please squash; then `git rebase -i HEAD~3` and force-push.",
    "The template uses {{ user.name }} and {% if user.admin %}, is that escaped?",
    "I get `TypeError: x is not a function` at app.js:12:5",
    "Use `WHERE id = ?` with parameters, don't build the query by hand.",
    'In Go: `if err != nil { return fmt.Errorf("open %q: %w", name, err) }`',
    "CSS: `a:hover > b { color: #fff; width: calc(100% - 2px) }`",
    "Set `$HOME/.config/app/config.toml`, then `export PATH=$PATH:/opt/app/bin`.",
    "regex `^[a-z]+(?:-[a-z]+)*$` is enough",
)
MARKDOWN: Final = (
    "# Notes\n\n* one\n* two\n\n> quote\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n![x](https://a.example/x.png)",
    "## Things\n\n- [ ] call **Anna** (she's back on Monday)\n- [x] pay rent -- done!\n\n---\n\n1. <https://a.example>",
    "Formula: $E = mc^2$ and $$\\sum_{i=1}^{n} i = \\frac{n(n+1)}{2}$$",
    "| price | `>` | 100 |\n\n<br>\n\nFootnote[^1].\n\n[^1]: It's *the* one.",
)


def _sentences(random: Random, count: int) -> str:
    known = SENTENCES[random.choice(list(SENTENCES))]
    return " ".join(random.choice(known) for _ in range(count))


def _browser(random: Random) -> Pairs:
    return (*random.choice(BROWSERS), ("Cookie", cookies(random)))


def _sent(random: Random, path: str, tree: Any, kind: str = "application/json") -> Message:
    body = json.dumps(tree, ensure_ascii=False).encode()
    headers = random.choice((_browser(random), random.choice(TOOLS)))
    return post(path, kind, body, *headers)


def graphql(random: Random) -> Message:
    """Queries with fragments, variables and directives; persisted ones by their hash."""
    fragment = "fragment F on User { id name avatarUrl(size: 40) }"
    query = (
        "query Q($id: ID!, $n: Int = 10) { user(id: $id) { ...F posts(first: $n) "
        f"{{ nodes {{ title }} }} }} }} {fragment}"
    )
    change = (
        "mutation($i: CommentInput!) "
        "{ addComment(input: $i) { comment { id body @include(if: true) } } }"
    )
    if random.random() < 0.3:
        more = {"persistedQuery": {"version": 1, "sha256Hash": random.randbytes(32).hex()}}
        fields = {"operationName": "Q", "variables": '{"id":"7"}', "extensions": json.dumps(more)}
        return get(f"/graphql?{urlencode(fields)}", *_browser(random))
    text = _sentences(random, 2)
    trees: list[Any] = [
        {"query": query, "variables": {"id": identifier(random), "n": 5}},
        {"query": change, "variables": {"i": {"subjectId": token(random), "body": text}}},
        [{"operationName": "A", "query": "query A { me { id } }", "variables": {}}],
    ]
    return _sent(random, "/graphql", random.choice(trees))


def json_api(random: Random) -> Message:
    """JSON:API, with its filters in the query and its documents in the body."""
    if random.random() < 0.5:
        pairs = {
            "filter[status]": "open,closed",
            "filter[created][gte]": "2024-01-01",
            "include": "author,comments.author",
            "fields[articles]": "title,body",
            "page[number]": str(random.randint(1, 99)),
            "sort": "-created,title",
        }
        chosen = random.sample(list(pairs.items()), 4)
        accept = ("Accept", "application/vnd.api+json")
        return get(f"/api/articles?{urlencode(chosen)}", accept, *random.choice(TOOLS)[:1])
    tree = {
        "data": {
            "type": "articles",
            "attributes": {"title": _sentences(random, 1), "tags": ["a&b", "c/d", "e; f"]},
            "relationships": {"author": {"data": {"type": "people", "id": "9"}}},
        }
    }
    return _sent(random, "/api/articles", tree, "application/vnd.api+json")


def markdown(random: Random) -> Message:
    """A page in Markdown, from an editor or by a tool as it stands."""
    text = f"{random.choice(MARKDOWN)}\n\n{_sentences(random, 3)}"
    if random.random() < 0.3:
        return post("/notes/7.md", "text/markdown", text.encode(), *random.choice(TOOLS))
    if random.random() < 0.5:
        return _sent(random, "/api/pages", {"format": "markdown", "text": text})
    return post("/pages", FORM, urlencode({"text": text}).encode(), *_browser(random))


def review(random: Random) -> Message:
    """A comment of a code review, with code in it."""
    text = f"{random.choice(DIFFS)}\n\n{_sentences(random, 1)}"
    fields = {"in_reply_to": "17", "path": "src/app/main.py", "line": "42", "side": "RIGHT"}
    if random.random() < 0.5:
        return _sent(random, "/api/pulls/7/comments", {**fields, "body": text})
    return post(
        "/pulls/7/comments", FORM, urlencode({**fields, "body": text}).encode(), *_browser(random)
    )


def encoded(random: Random) -> Message:
    """Things in Base64: keys, signed state, what was signed."""
    data = base64.b64encode(random.randbytes(random.randint(60, 2000))).decode()
    kind = random.randrange(3)
    if kind == 0:
        pem = f"-----BEGIN PUBLIC KEY-----\n{data}\n-----END PUBLIC KEY-----\n"
        return _sent(random, "/api/keys", {"pem": pem})
    if kind == 1:
        state = quote(data[:400], safe="")
        return get(f"/resume?state={state}&sig={token(random)}", *_browser(random))
    fields = {"payload": data, "hash": random.randbytes(32).hex()}
    return post("/sign", FORM, urlencode(fields).encode(), *_browser(random))


def pictured(random: Random) -> Message:
    """A picture as an address that holds it, in JSON."""
    data = base64.b64encode(random.randbytes(random.randint(60, 2000))).decode()
    return _sent(random, "/api/avatar", {"image": f"data:image/png;base64,{data}"})


def written(random: Random) -> Message:
    """A form in one of many languages."""
    fields = {"name": random.choice(NAMES), "message": _sentences(random, random.randint(2, 6))}
    return post("/contact", FORM, urlencode(fields).encode(), *_browser(random))


def linked(random: Random) -> Message:
    """Addresses in parameters: where to go next, what to preview, whom to tell."""
    target = f"https://{random.choice(('app', 'docs', 'shop'))}.example{address(random)}"
    deep = f"https://news.example/r?u={quote_plus(target)}&s=1"
    name = random.choice(("url", "next", "return_to", "u", "redirect_uri", "link", "image", "feed"))
    value = random.choice(
        (target, deep, "/home?tab=1#top", "//cdn.example/a.js", "mailto:a@b.example")
    )
    return get(f"/open?{name}={quote(value, safe='')}&v=2", *_browser(random))


def searched(random: Random) -> Message:
    """Searches with quotes, operators and questions."""
    word = random.choice(RARE if random.random() < RARELY else SEARCHES)
    return get(
        f"/search?{urlencode({'q': word, 'lang': 'en', 'p': random.randint(1, 9)})}",
        *_browser(random),
    )


def oauth(random: Random) -> Message:
    """The steps of OpenID Connect, addresses encoded once and twice."""
    back = f"https://app.example/callback?from={quote_plus(address(random))}"
    fields = {
        "client_id": identifier(random),
        "redirect_uri": back,
        "response_type": random.choice(("code", "code id_token")),
        "scope": "openid profile email offline_access https://graph.example/User.Read",
        "state": base64.urlsafe_b64encode(json.dumps({"to": back, "n": 1}).encode()).decode(),
        "nonce": token(random),
        "prompt": "select_account",
        "claims": json.dumps({"id_token": {"auth_time": {"essential": True}}}),
    }
    if random.random() < 0.4:
        answer = {
            "code": token(random, 60),
            "state": fields["state"],
            "session_state": f"{token(random)}.{token(random, 12)}",
            "iss": "https://login.example/",
        }
        return get(f"/callback?{urlencode(answer)}", *_browser(random))
    return get(f"/authorize?{urlencode(fields)}", *_browser(random))


def beacon(random: Random) -> Message:
    """What analytics send: long queries, text that is JSON, errors of scripts."""
    page = f"https://shop.example{address(random)}"
    kind = random.randrange(3)
    if kind == 0:
        fields = {
            "v": "2",
            "tid": "G-ABC123",
            "dl": page,
            "dr": "https://search.example/",
            "dt": _sentences(random, 1),
            "en": "scroll",
            "epn.percent": "90",
            "_p": "7",
            "ul": "de-de",
            "sr": "1920x1080",
        }
        return post(
            f"/g/collect?{urlencode(fields)}", "text/plain;charset=UTF-8", b"", *_browser(random)
        )
    stack = (
        "TypeError: Cannot read properties of null (reading 'id')\n"
        f"    at render ({page}:1:2345)\n    at Array.map (<anonymous>)"
    )
    tree: Any = {"events": [{"type": "error", "message": stack, "url": page}], "ts": 1717243200}
    if kind == 1:
        return _sent(random, "/beacon", tree, "text/plain;charset=UTF-8")
    report = {
        "csp-report": {
            "document-uri": page,
            "violated-directive": "script-src 'self'",
            "blocked-uri": "inline",
            "original-policy": "default-src 'self'; script-src 'self' 'nonce-abc'",
        }
    }
    return _sent(random, "/csp", report, "application/csp-report")


def _docx(random: Random) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", '<?xml version="1.0"?><Types/>')
        archive.writestr(
            "word/document.xml", f"<w:document><w:t>{_sentences(random, 9)}</w:t></w:document>"
        )
    return out.getvalue()


def uploaded(random: Random) -> Message:
    """Files that are text themselves, or archives of text."""
    line = f"----WebKitFormBoundary{random.randbytes(8).hex()}"
    path = f'<path d="M1 2{random.randint(1, 9)}z"/>'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">{path}</svg>'
    files = (
        (
            "data.csv",
            "text/csv",
            f'id;name;note\n1;O\'Brien;"a; b"\n2;Müller;{_sentences(random, 1)}\n'.encode(),
        ),
        ("logo.svg", "image/svg+xml", svg.encode()),
        (
            "letter.docx",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            _docx(random),
        ),
        ("notes (1).md", "text/markdown", random.choice(MARKDOWN).encode()),
        ("schema.sql", "application/sql", b"-- users\nCREATE TABLE users (id int);\n"),
        ("app.py", "text/x-python", random.choice(CODE).encode()),
    )
    name, kind, content = random.choices(files, (8, 6, 8, 4, 1, 1))[0]
    head = f'--{line}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
    head += f"Content-Type: {kind}\r\n\r\n"
    body = head.encode() + content + f"\r\n--{line}--\r\n".encode()
    return post("/upload", f"multipart/form-data; boundary={line}", body, *_browser(random))


SHARES: Final = (
    (json_api, 150),
    (encoded, 150),
    (written, 300),
    (linked, 250),
    (searched, 200),
    (oauth, 200),
    (beacon, 250),
    (uploaded, 200),
)
"""What any site may have, and how many of it."""
SPECIAL: Final = ((graphql, 60), (markdown, 120), (review, 40), (pictured, 40))
"""What is all the traffic of some sites and none of others: counted each by itself."""
