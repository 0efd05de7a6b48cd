"""The engine in process, as every in-process corpus asks it."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING

from messages import Message, Reply
from rule_sets import Rules

if TYPE_CHECKING:
    from ostiary_guard import waf

LONGEST_BODY = 1 << 20
"""Bytes; the corpora have longer bodies than a gateway's usual limit."""


def here() -> bool:
    """Whether the guard's engine can be imported."""
    return importlib.util.find_spec("ostiary_guard") is not None


@dataclass(frozen=True, slots=True)
class Found:
    """What came of one request."""

    blocked: bool
    status: int
    rules: tuple[int, ...]
    lines: tuple[str, ...]
    """What a log would say of each match, control characters written out."""


class Engine:
    """One compiled rule set."""

    def __init__(
        self, rules: Rules, *, block: bool, paranoia: int = 1, decode_overlong: bool = True
    ) -> None:
        from ostiary_guard import waf  # noqa: PLC0415  it is not everywhere

        read = waf.RuleSet(rules.sources, dict(rules.data), core=rules.core)
        self.plan = waf.Plan(
            read,
            mode="block" if block else "shadow",
            paranoia=paranoia,
            body_limit=LONGEST_BODY,
            decode_overlong=decode_overlong,
        )

    def ask(self, message: Message, reply: Reply | None = None) -> Found:
        """What the rules say about a request, and about the answer to it."""
        outcome = self.plan.inspect(
            message.method.decode("latin-1"),
            message.target,
            message.headers,
            _framed(message),
            protocol=message.protocol.decode("latin-1"),
            response=(reply.status, reply.headers, reply.body) if reply else None,
        )
        lines = tuple(_line(one) for one in outcome.matches if one.logged)
        return Found(outcome.interrupted, outcome.status, tuple(outcome.rules), lines)


def _framed(message: Message) -> bytes:
    """The body that a server would read: one without a length is none."""
    names = {name.lower() for name, _ in message.headers}
    return message.body if names & {b"content-length", b"transfer-encoding"} else b""


def _line(match: waf.Match) -> str:
    line = f'[id "{match.id}"] [msg "{match.message}"] [data "{match.data}"] [at "{match.place}"]'
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in line)
