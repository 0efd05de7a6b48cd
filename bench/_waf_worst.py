"""Bodies inside the limits that keep an engine busy longest, as far as we found them.

Begins of attacks without their ends, in one field, in few and in many; noise; and texts that go on
folding in the tokenizer of SQL, or are looked at again from each of their bytes.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

SIZE: Final = 128 * 1024 - 200
FORM: Final = "application/x-www-form-urlencoded"
TIMES: Final = 5
_WORDS: Final = str.split(
    "select union from where sleep exec system eval base64 script onload style href src javascript "
    "import passwd etc cat wget curl bash sh id ls php http file data expression concat char "
    "insert update delete drop table information_schema version benchmark waitfor java runtime "
    "process class lang proto constructor require child cmd powershell set echo"
)
_MARKS: Final = " .,-_;'\"(<=/*|$#@!\\`{%&+?:>)}]["
_AGAIN: Final = ("%3D%7Ca", "OR.", "LIKE.1", "%c3%a9.", "a%60", "'", "/*!a", "%23a%0a", "<a onx=y>")


def bodies() -> Iterator[tuple[str, str, bytes]]:
    """What it is, its content type, and its bytes."""
    for count in (1, 10, 50, 900):
        each = SIZE // count - 12
        fields = (f"f{one}={_soup(each, one)}" for one in range(count))
        yield f"soup in {count} fields", FORM, "&".join(fields).encode()
    each = SIZE // 100 - 200
    tree = {f"k{one}": _soup(each, one) for one in range(100)}
    yield "soup in JSON", "application/json", json.dumps(tree).encode()
    drawn = random.Random(1)  # noqa: S311  nothing is secret
    noise = "".join(f"%{drawn.randrange(1, 256):02x}" for _ in range(SIZE // 3))
    yield "noise", FORM, f"q={noise}".encode()
    letters = "".join(drawn.choice("ab'=(;+") for _ in range(SIZE))
    yield "few letters", FORM, f"q={letters}".encode()
    for text in _AGAIN:
        yield f"{text} again and again", FORM, f"q={text * (SIZE // len(text))}".encode()


def _soup(size: int, seed: int) -> str:
    drawn = random.Random(seed)  # noqa: S311  nothing is secret
    said = ""
    while len(said) < size:
        said += f"{drawn.choice(_WORDS)}%{ord(drawn.choice(_MARKS)):02x}"
    return said[:size]


def worst(plan: Any) -> tuple[float, str]:
    """The most microseconds of CPU that one of them takes in process, and which one it is."""
    took: Mapping[str, float] = {name: _took(plan, kind, body) for name, kind, body in bodies()}
    name = max(took, key=lambda one: took[one])
    return took[name], name


def _took(plan: Any, kind: str, body: bytes) -> float:
    headers = [
        (b"host", b"app.example"),
        (b"user-agent", b"Mozilla/5.0"),
        (b"content-type", kind.encode()),
        (b"content-length", str(len(body)).encode()),
    ]

    def once() -> float:
        at = time.thread_time()
        plan.inspect("POST", b"/contact", headers, body)
        return (time.thread_time() - at) * 1e6

    once()
    return min(once() for _ in range(TIMES))
