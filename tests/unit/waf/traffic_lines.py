"""Lines of the log of `waf`, as the guard writes them."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

USUAL = [["host", "a.example"], ["user-agent", "test"], ["accept", "*/*"]]


def line(
    uri: str = "/",
    *,
    method: str = "GET",
    body: bytes = b"",
    rules: Sequence[int] = (),
    places: Sequence[str] = (),
    **more: Any,
) -> dict[str, Any]:
    """One request; `places` are those of `rules`."""
    messages = [
        {"rule": rule, "message": f"rule {rule}", "place": place, "data": "x", "severity": 2}
        for rule, place in zip(rules, places, strict=True)
    ]
    headers = [*USUAL]
    if body:
        headers.append(["content-type", "application/x-www-form-urlencoded"])
    record = {
        "method": method,
        "uri": uri,
        "headers": headers,
        "body": base64.b64encode(body).decode(),
        "cut": False,
    }
    found = {
        "time": "2026-11-20T10:00:00.000Z",
        "request_id": "r-1",
        "decision": "d-1",
        "route": "default/default/notes@abc",
        "host": "a.example",
        "method": method,
        "path": uri.partition("?")[0],
        "code": 200,
        "client": "192.0.2.1",
        "action": "flagged" if rules else "passed",
        "mode": "shadow",
        "score": 5 * len(rules),
        "rules": list(rules),
        "messages": messages,
        "micros": 20,
        "request": record,
    }
    return found | more


def log(*lines: dict[str, Any]) -> str:
    """The text of a log."""
    return "".join(json.dumps(one) + "\n" for one in lines)
