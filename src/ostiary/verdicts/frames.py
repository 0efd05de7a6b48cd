"""Verdicts as the bytes that guards read: deltas, snapshots in parts, heartbeats.

Everything is encoded once and shared by all proxies; only the time is added when it goes out. That
is two messages one after the other, which every reader of protobuf takes as one. Fed by `encoded`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from ostiary.trust.verdict import Verdict
from ostiary.verdicts.messages import EFFECTS, KINDS, ToGuard
from ostiary.verdicts.ports import Change, Order

LONGEST_MESSAGE: Final = 1 << 20
"""Bytes; a guard reads no longer one."""
_FULL: Final = LONGEST_MESSAGE // 2
"""Bytes of verdicts after which a message is closed; the last one may come on top."""
_FRAME: Final = 8
"""Bytes around an entry, at most."""
_KIND: Final = {name.lower().replace("_", "-"): number for number, name in enumerate(KINDS)}
_EFFECT: Final = {name.lower().replace("_", "-"): number for number, name in enumerate(EFFECTS)}


def heartbeat(seq: int, now: float) -> bytes:
    """Nothing newer than `seq` exists."""
    made = ToGuard()
    made.heartbeat.seq = seq
    made.heartbeat.time_ms = _ms(now)
    return bytes(made.SerializeToString())


def stamped_delta(delta: bytes, now: float) -> bytes:
    """`delta`, sent now."""
    made = ToGuard()
    made.delta.time_ms = _ms(now)
    return delta + bytes(made.SerializeToString())


def stamped_part(part: bytes, now: float) -> bytes:
    """`part` of a snapshot, sent now."""
    made = ToGuard()
    made.snapshot.time_ms = _ms(now)
    return part + bytes(made.SerializeToString())


def deltas(changes: Sequence[Change], first: int, last: int) -> list[bytes]:
    """From `first` to `last`, in as many messages as their size needs, without the time."""
    made, one, size = [], _delta(first), 0
    for change in changes:
        entry = one.delta.changes.add()
        if change.lifted:
            entry.lift.id = change.verdict.id.bytes
            entry.lift.kind = _KIND[change.verdict.kind]
            entry.lift.key = change.verdict.key
        else:
            _write(entry.put, change.verdict)
        one.delta.seq = change.seq
        size += entry.ByteSize() + _FRAME
        if size > _FULL:
            made.append(one)
            one, size = _delta(change.seq), 0
    one.delta.seq = last
    made.append(one)
    return [bytes(each.SerializeToString()) for each in made]


def snapshot(order: Order, verdicts: Iterable[Verdict]) -> Iterator[bytes]:
    """Everything, in parts of half a MiB and a verdict at most, without the time."""
    part, one, size = 0, _part(order, 0), 0
    for verdict in verdicts:
        entry = one.snapshot.verdicts.add()
        _write(entry, verdict)
        size += entry.ByteSize() + _FRAME
        if size > _FULL:
            yield bytes(one.SerializeToString())
            part += 1
            one, size = _part(order, part), 0
    one.snapshot.last = True
    yield bytes(one.SerializeToString())


def _delta(first: int) -> Any:
    made = ToGuard()
    setattr(made.delta, "from", first)
    made.delta.seq = first
    return made


def _part(order: Order, part: int) -> Any:
    made = ToGuard()
    made.snapshot.epoch = order.epoch
    made.snapshot.seq = order.seq
    made.snapshot.part = part
    return made


def _write(entry: Any, verdict: Verdict) -> None:
    entry.id = verdict.id.bytes
    entry.kind = _KIND[verdict.kind]
    entry.key = verdict.key
    entry.effect = _EFFECT[verdict.effect]
    entry.reason = verdict.reason
    entry.source = verdict.source
    entry.since_ms = _ms(verdict.since)
    entry.expires_ms = _ms(verdict.expires)
    entry.score = verdict.score
    entry.rate = verdict.rate
    entry.per_ms = _ms(verdict.per)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
