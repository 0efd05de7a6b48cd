"""Our messages are those of the schema, field by field, and sizes stay within the limit."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from ostiary.store.verdicts import Change, Order
from ostiary.trust.verdict import Effect, Kind, Verdict
from ostiary.verdicts import frames
from ostiary.verdicts.messages import EFFECTS, KINDS, MESSAGES, SERVICE, ToGuard

PROTO = (Path(__file__).parents[3] / "proto/verdicts.proto").read_text()
NOW = 1_800_000_000.0


def schema() -> dict[str, list[str]]:
    """The bodies of the schema by name, comments left out, oneofs unrolled."""
    text = re.sub(r"//.*", "", PROTO)
    found = {}
    for kind, name, body in re.findall(
        r"^(message|enum) (\w+) \{(.*?)^\}", text, re.MULTILINE | re.DOTALL
    ):
        inner = re.sub(
            r"oneof (\w+) \{(.*?)\}",
            lambda one: re.sub(r"(\w+ \w+ = \d+;)", rf"oneof {one[1]} \1", one[2]),
            body,
            flags=re.DOTALL,
        )
        lines = [" ".join(one.split()) for one in inner.split(";") if one.strip()]
        found[f"{kind} {name}"] = lines
    return found


def test_the_table_of_messages_is_the_schema() -> None:
    found = schema()
    enums = {"enum Kind": KINDS, "enum Effect": EFFECTS}
    assert {name for name in found if name.startswith("message")} == {
        f"message {name}" for name in MESSAGES
    }
    for name, fields in MESSAGES.items():
        assert found[f"message {name}"] == list(fields)
    for name, values in enums.items():
        assert found[name] == [f"{value} = {number}" for number, value in enumerate(values)]
    package = re.search(r"^package (\S+);", PROTO, re.MULTILINE)
    assert package is not None
    assert f"{package[1]}.Verdicts" == SERVICE
    assert "rpc Stream(stream FromGuard) returns (stream ToGuard);" in PROTO


def test_the_words_of_python_are_the_numbers_of_the_schema() -> None:
    for kind in Kind:
        assert KINDS[frames._KIND[kind]] == kind.name
    for effect in Effect:
        assert EFFECTS[frames._EFFECT[effect]] == effect.name


verdicts = st.builds(
    Verdict,
    id=st.uuids(),
    kind=st.sampled_from(Kind),
    key=st.text(min_size=1, max_size=300),
    effect=st.sampled_from(Effect),
    reason=st.just("left"),
    source=st.just("tests"),
    since=st.integers(0, 2_000_000_000_000).map(lambda ms: ms / 1000),
    expires=st.just(0.0),
    score=st.integers(0, 100),
    rate=st.integers(0, 2**32 - 1),
    per=st.just(60.0),
)


@given(st.lists(verdicts, max_size=20))
def test_nothing_is_lost_on_the_way(given_: list[Verdict]) -> None:
    found = []
    for part in frames.snapshot(Order("e", 9, 0), given_):
        message = ToGuard.FromString(frames.stamped_part(part, NOW))
        assert message.snapshot.time_ms == NOW * 1000
        assert (message.snapshot.epoch, message.snapshot.seq) == ("e", 9)
        found += message.snapshot.verdicts
    assert [(one.id, one.key, one.since_ms, one.rate, one.per_ms) for one in found] == [
        (one.id.bytes, one.key, round(one.since * 1000), one.rate, 60_000) for one in given_
    ]


def test_no_message_is_longer_than_a_guard_reads() -> None:
    many = [
        Verdict(uuid4(), Kind.USER, f"{'k' * 1000}{n}", Effect.DENY, "r" * 64, "s" * 64, NOW)
        for n in range(2500)
    ]
    parts = [frames.stamped_part(one, NOW) for one in frames.snapshot(Order("e", 1, 0), many)]
    read = [ToGuard.FromString(one).snapshot for one in parts]
    assert len(parts) > 4
    assert [one.part for one in read] == list(range(len(parts)))
    assert [one.last for one in read] == [False] * (len(parts) - 1) + [True]
    changes = [Change(n + 1, one, lifted=False) for n, one in enumerate(many)]
    deltas = [frames.stamped_delta(one, NOW) for one in frames.deltas(changes, 0, len(many))]
    assert max(map(len, parts + deltas)) <= frames.LONGEST_MESSAGE
    heard = [ToGuard.FromString(one).delta for one in deltas]
    assert [getattr(one, "from") for one in heard] == [0, *(one.seq for one in heard[:-1])]
    assert heard[-1].seq == len(many)
    assert sum(len(one.changes) for one in heard) == len(many)
