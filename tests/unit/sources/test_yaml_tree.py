"""YAML becomes plain data with places; what YAML allows and people do not mean is refused."""

from __future__ import annotations

import time

import pytest

from ostiary.errors import Faults, Place
from ostiary.sources.yaml_tree import LARGEST, parse


def data(text: str) -> object:
    (tree,) = parse("a.yaml", text.encode())
    return tree.data


def code(content: bytes) -> str:
    with pytest.raises(Faults) as raised:
        parse("a.yaml", content)
    return next(iter(raised.value)).code


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("12", 12),
        ("-3", -3),
        ("0x1F", 31),
        ("0o17", 15),
        ("017", 17),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".inf", ".inf"),
        ("60s", "60s"),
        ("2026-01-01", "2026-01-01"),
        ("'12'", "12"),
        ('"true"', "true"),
        ("10.0.0.0/8", "10.0.0.0/8"),
    ],
)
def test_plain_words_follow_the_core_schema(text: str, value: object) -> None:
    assert data(f"a: {text}") == {"a": value}


def test_keys_are_always_text() -> None:
    assert data("1: a\nno: b\nnull: c\n") == {"1": "a", "no": "b", "null": "c"}


def test_every_part_has_its_place() -> None:
    (tree,) = parse("a.yaml", b"routes:\n  a:\n    host: [x,\n      y]\n")
    assert tree.place(("routes", "a")) == Place("a.yaml", 2, 3)
    assert tree.place(("routes", "a", "host")) == Place("a.yaml", 3, 5)
    assert tree.value_place(("routes", "a", "host")) == Place("a.yaml", 3, 11)
    assert tree.place(("routes", "a", "host", 1)) == Place("a.yaml", 4, 7)
    assert tree.place(("routes", "a", "nothing")) == Place("a.yaml", 2, 3)


def test_columns_count_characters_not_bytes() -> None:
    (tree,) = parse("a.yaml", "{ä: 1, b: 2}".encode())
    assert tree.place(("b",)).column == 8


def test_documents_of_one_file_are_trees_of_their_own() -> None:
    found = parse("a.yaml", b"a: 1\n---\nb: 2\n---\n# nothing\n")
    assert [tree.data for tree in found] == [{"a": 1}, {"b": 2}]
    assert found[1].place(("b",)) == Place("a.yaml", 3, 1)


def test_aliases_give_the_same_value() -> None:
    assert data("a: &x {k: [1]}\nb: *x\n") == {"a": {"k": [1]}, "b": {"k": [1]}}


def test_a_byte_order_mark_is_no_content() -> None:
    assert parse("a.yaml", b"\xef\xbb\xbfa: 1")[0].data == {"a": 1}


def test_all_double_keys_and_tags_are_told_at_once() -> None:
    with pytest.raises(Faults) as raised:
        parse("a.yaml", b"a: 1\na: 2\nb: !x 3\nb: 4\n")
    assert [fault.code for fault in raised.value] == [
        "yaml.duplicate-key",
        "yaml.tag",
        "yaml.duplicate-key",
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "yaml.empty"),
        (b"# only words\n", "yaml.empty"),
        (b"---\n...\n", "yaml.empty"),
        (b"a: \xff", "yaml.not-utf8"),
        (b"a: b: c", "yaml.syntax"),
        (b"a: [1", "yaml.syntax"),
        (b"a: \x07", "yaml.syntax"),
        (b"a:\n\tb: 1", "yaml.tab"),
        (b"a: &a [*a]", "yaml.alias"),
        (b"? [a]\n: 1", "yaml.key"),
        (b"? {a: 1}\n: 1", "yaml.key"),
        (b"[" * 5000, "yaml.too-deep"),
        (b"{a: " * 5000, "yaml.too-deep"),
        ("".join(" " * n + "a:\n" for n in range(100)).encode(), "yaml.too-deep"),
        (b"#" * (LARGEST + 1), "yaml.too-large"),
    ],
)
def test_what_is_not_a_document(content: bytes, expected: str) -> None:
    assert code(content) == expected


@pytest.mark.parametrize("form", ["[{0},{0}]", "{{a: {0}, b: {0}}}"])
def test_a_bomb_costs_nothing(form: str) -> None:
    lines = ["a0: &a0 x"]
    lines += [f"a{n}: &a{n} {form.format(f'*a{n - 1}')}" for n in range(1, 60)]
    begun = time.perf_counter()
    assert code("\n".join(lines).encode()) == "yaml.bomb"
    assert time.perf_counter() - begun < 0.5


def test_a_document_just_under_the_limit_is_read_in_seconds() -> None:
    line = b"- {host: notes.localhost, to: notes}\n"
    (tree,) = parse("a.yaml", line * 60_000)
    assert isinstance(tree.data, list)
    assert len(tree.data) == 60_000
