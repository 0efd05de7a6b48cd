"""The tables of verdicts, their order and the audit log, and how a row becomes a value.

Fed by nobody; feeds `verdicts`, which owns what happens to the rows.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import BigInteger, Column, Float, Index, Integer, String, Table, insert
from sqlalchemy.engine import Connection

from ostiary.store.database import METADATA
from ostiary.trust.verdict import Effect, Kind, Verdict

VERDICTS: Final = Table(
    "verdicts",
    METADATA,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("key", String, nullable=False),
    Column("effect", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("source", String, nullable=False),
    Column("since", Float, nullable=False),
    Column("expires", Float, nullable=False),
    Column("score", Integer, nullable=False),
    Column("rate", BigInteger, nullable=False),
    Column("per", Float, nullable=False),
    Column("seq", BigInteger, nullable=False, index=True),
    Column("lifted", Float),
    Index("verdicts_of_key", "kind", "key"),
    Index("verdicts_over", "lifted", "expires"),
)
TRUST: Final = Table(
    "trust",
    METADATA,
    Column("one", Integer, primary_key=True),
    Column("epoch", String, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("forgotten", BigInteger, nullable=False),
)
AUDIT: Final = Table(
    "audit",
    METADATA,
    Column(
        "number",
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    Column("time", Float, nullable=False),
    Column("who", String, nullable=False),
    Column("deed", String, nullable=False),
    Column("verdict", String, nullable=False, index=True),
    Column("kind", String, nullable=False),
    Column("key", String, nullable=False),
    Column("effect", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("why", String, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one verdict; the newest state only, for the older ones do not matter."""

    seq: int
    verdict: Verdict
    lifted: bool


@dataclass(frozen=True, slots=True)
class Deed:
    """One entry of the audit log."""

    time: float
    who: str
    deed: str
    """`put`, `lift` or `expire`; `prune` when the log itself was shortened."""
    verdict: str
    kind: str
    key: str
    effect: str
    reason: str
    why: str


@dataclass(frozen=True, slots=True)
class Order:
    """Which store this is, and how far it has come."""

    epoch: str
    seq: int
    forgotten: int
    """Changes up to this one are not all known any more."""


def row_of(one: Verdict) -> dict[str, Any]:
    """The columns of `one` that it brings along itself."""
    return {
        "id": str(one.id),
        "kind": str(one.kind),
        "key": one.key,
        "effect": str(one.effect),
        "reason": one.reason,
        "source": one.source,
        "since": one.since,
        "expires": one.expires,
        "score": one.score,
        "rate": one.rate,
        "per": one.per,
    }


def verdict_of(row: Any) -> Verdict:
    """The verdict in a row of `VERDICTS`."""
    return Verdict(
        id=uuid.UUID(row["id"]),
        kind=Kind(row["kind"]),
        key=row["key"],
        effect=Effect(row["effect"]),
        reason=row["reason"],
        source=row["source"],
        since=row["since"],
        expires=row["expires"],
        score=row["score"],
        rate=row["rate"],
        per=row["per"],
    )


def deed_of(row: Any) -> Deed:
    """The entry in a row of `AUDIT`."""
    return Deed(**{one.name: row[one.name] for one in fields(Deed)})


def audit(  # noqa: PLR0917
    connection: Connection, deed: str, ones: Sequence[Verdict], who: str, why: str, now: float
) -> None:
    """The log says who did `deed` to each of them, when the transaction commits."""
    if not ones:
        return
    rows = [
        {
            "time": now,
            "who": who,
            "deed": deed,
            "verdict": str(one.id),
            "kind": str(one.kind),
            "key": one.key,
            "effect": str(one.effect),
            "reason": one.reason,
            "why": why,
        }
        for one in ones
    ]
    connection.execute(insert(AUDIT), rows)


def note_pruning(connection: Connection, gone: int, before: float, now: float) -> None:
    """The log says that it was shortened, when the transaction commits."""
    until = datetime.fromtimestamp(before, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    nothing = dict.fromkeys(("verdict", "kind", "key", "effect", "reason"), "")
    why = f"{gone} entries from before {until} were removed: they were kept long enough"
    row = {"time": now, "who": "ostiary", "deed": "prune", "why": why, **nothing}
    connection.execute(insert(AUDIT), [row])
