"""New exclusions stand first; comments, order and everything else stay."""

from __future__ import annotations

import pytest

from ostiary.language.tree import Tree, value_at
from ostiary.sources.yaml_tree import parse
from ostiary.waf.document_patch import Spot, Unpatched, Written, add, added_alone, difference

NEW = Written(942100, "ARGS:comment", ("/notes/*",), "people quote SQL")
PATH = ("routes", "notes", "waf")
BLOCK = """\
routes:
  notes:
    # rules
    waf:  # ours
      # of the core
      rules: core
"""
LISTED = """\
routes:
  notes:
    waf:
      rules: core
      exclude:  # reviewed
        # the old one
        - {rule: 1, because: x}
      paranoia: 2
"""
FLOW = "routes: {notes: {waf: {rules: core}}}  # short\n"
FLOW_LIST = "routes:\n  notes:\n    waf: {exclude: [{rule: 1, because: x}]}\n"
EMPTY = "routes: {notes: {waf: {}}}\n"


def spot(tree: Tree, path: tuple[str, ...]) -> Spot | None:
    if value_at(tree.data, path) is None:
        return None
    key, value = tree.place(path), tree.value_place(path)
    return Spot(key.line, value.line, value.column)


def patched(text: str, *new: Written) -> str:
    (tree,) = parse("a.yaml", text.encode())
    block = spot(tree, PATH)
    assert block is not None
    return add(text, block, spot(tree, (*PATH, "exclude")), new)


@pytest.mark.parametrize("text", [BLOCK, LISTED, FLOW, FLOW_LIST, EMPTY])
def test_nothing_but_the_exclusions_is_added(text: str) -> None:
    after = patched(text, NEW, NEW)
    (before,), (read,) = parse("a.yaml", text.encode()), parse("a.yaml", after.encode())
    assert added_alone(before.data, read.data, (*PATH, "exclude"), 2)
    found = value_at(read.data, (*PATH, "exclude", 0))
    assert found == {
        "rule": 942100,
        "where": {"paths": ["/notes/*"], "target": "ARGS:comment"},
        "because": "people quote SQL",
    }
    for line in text.splitlines():
        if "#" in line:
            assert line.partition("#")[2] in after


def test_a_block_keeps_its_comments_where_they_are() -> None:
    added = difference("a.yaml", LISTED, patched(LISTED, NEW)).splitlines()
    assert added[:2] == ["--- a/a.yaml", "+++ b/a.yaml"]
    assert [line for line in added if line[0] == "-"] == ["--- a/a.yaml"]
    assert "+        - rule: 942100" in added
    assert patched(BLOCK, NEW).splitlines()[3:6] == [
        "    waf:  # ours",
        "      exclude:",
        "        - rule: 942100",
    ]


def test_another_change_is_noticed() -> None:
    assert not added_alone({"a": {"b": 1}}, {"a": {"b": 2, "c": [1]}}, ("a", "c"), 1)
    assert not added_alone({"a": {"c": [1]}}, {"a": {"c": [2, 3]}}, ("a", "c"), 1)
    assert not added_alone({"a": {}}, {"a": {"c": 1}}, ("a", "c"), 1)


def test_text_that_cannot_be_added_to_is_left_alone() -> None:
    with pytest.raises(Unpatched, match="line 2"):
        patched("x: &w\n  {rules: core}\nroutes: {notes: {waf: *w}}\n".replace("&w\n ", "&w"), NEW)
