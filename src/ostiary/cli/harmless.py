"""Text from a request or a file, made fit for a terminal."""

from __future__ import annotations


def harmless(text: str) -> str:
    """`text` with every control character but newline and tab written as an escape."""
    return "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in text)
