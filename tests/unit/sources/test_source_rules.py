"""Rule files that a document names: found, read in their order, watched, kept for a restart."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from ostiary.language.tree import Tree
from ostiary.sources.files import Files
from ostiary.sources.rule_files import UnreadRules, read_rules
from ostiary.sources.rules import is_kept, with_kept
from ostiary.sources.yaml_tree import parse

DOCUMENT = """\
gateway: {{https: {{port: 8443}}, waf: {{rules: {gateway}, log: logs/waf.jsonl}}}}
routes: {{notes: {{host: notes.example, to: notes, waf: {{rules: {route}}}}}}}
"""


def write(path: Path, text: str = "SecAction nolog,id:1\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def names(word: str, folder: Path, *crs: Path) -> list[str]:
    return [name for name, _ in read_rules(word, folder, crs).text.sources]


def refused(word: str, folder: Path) -> str:
    with pytest.raises(UnreadRules) as caught:
        read_rules(word, folder, [])
    return caught.value.code


def document(folder: Path, gateway: str = "core", route: str = "core") -> Path:
    return write(folder / "site.yaml", DOCUMENT.format(gateway=gateway, route=route))


def only(files: Files) -> Tree:
    (tree,) = files.read()
    return tree


def test_a_folder_is_read_by_name_and_hidden_files_are_not(tmp_path: Path) -> None:
    for name in ("b.conf", "a.conf", ".c.conf", "notes.txt"):
        write(tmp_path / "own" / name)
    assert names("own", tmp_path) == [f"{tmp_path}/own/a.conf", f"{tmp_path}/own/b.conf"]


@pytest.mark.parametrize("setup", ["crs-setup.conf", "crs-setup.conf.example"])
def test_a_release_of_crs_begins_with_its_set_up(tmp_path: Path, setup: str) -> None:
    for name in (setup, "rules/REQUEST-942.conf", "rules/REQUEST-901.conf", "rules/x.conf.example"):
        write(tmp_path / "crs" / name)
    assert names("crs", tmp_path, tmp_path / "none", tmp_path / "crs") == [
        f"crs/{setup}",
        "crs/rules/REQUEST-901.conf",
        "crs/rules/REQUEST-942.conf",
    ]
    assert names("crs", tmp_path / "elsewhere", tmp_path / "crs")[0] == f"crs/{setup}"


def test_what_is_included_stands_in_its_place_and_lines_keep_their_numbers(tmp_path: Path) -> None:
    write(tmp_path / "a.conf", "one\nInclude more/*.conf\nIncludeOptional none.conf\ntwo\n")
    write(tmp_path / "more/b.conf", "b\n")
    write(tmp_path / "more/c.conf", "c\n")
    sources = read_rules("a.conf", tmp_path).text.sources
    assert [(Path(name).name, text) for name, text in sources] == [
        ("a.conf", "one"),
        ("b.conf", "b\n"),
        ("c.conf", "c\n"),
        ("a.conf", "\n\n\ntwo\n"),
    ]


def test_files_of_phrases_are_read_beside_the_rules(tmp_path: Path) -> None:
    rule = 'SecRule ARGS "@pmFromFile words.data more/x.data" "id:1"\n# "@pmFromFile no.data"\n'
    write(tmp_path / "a.conf", rule + 'SecRule ARGS "!@ipMatchFromFile gone.data" "id:2"\n')
    write(tmp_path / "words.data", "apple\n")
    write(tmp_path / "more/x.data", "pear\n")
    data = read_rules("a.conf", tmp_path).text.data
    assert data == (("more/x.data", "pear\n"), ("words.data", "apple\n"))


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    write(tmp_path / "circle.conf", "Include circle.conf\n")
    write(tmp_path / "gone.conf", "Include nothing.conf\n")
    (tmp_path / "bytes.conf").write_bytes(b"\xff")
    (tmp_path / "empty").mkdir()
    write(tmp_path / "large.conf", "#" * 17_000_000)
    assert refused("nothing", tmp_path) == "rules.missing"
    assert refused("gone.conf", tmp_path) == "rules.missing"
    assert refused("circle.conf", tmp_path) == "rules.missing"
    assert refused("empty", tmp_path) == "rules.missing"
    assert refused("bytes.conf", tmp_path) == "rules.unreadable"
    assert refused("large.conf", tmp_path) == "rules.unreadable"
    assert refused("crs", tmp_path) == "rules.no-crs"


def test_an_include_that_leads_nowhere_is_told_with_its_line(tmp_path: Path) -> None:
    write(tmp_path / "a.conf", "\nInclude gone.conf\n")
    write(tmp_path / "b.conf", "Include none/*.conf\n")
    write(tmp_path / "c.conf", "IncludeOptional none/*.conf\n")
    for name, line, said in (("a", 2, "no such file"), ("b", 1, "no file is called")):
        with pytest.raises(UnreadRules) as told:
            read_rules(f"{name}.conf", tmp_path)
        assert told.value.code == "rules.missing"
        assert told.value.sentence.startswith(f"{tmp_path / name}.conf:{line}: ")
        assert said in told.value.sentence
        assert "relative to the file that includes it" in told.value.hint
    assert read_rules("c.conf", tmp_path).text.sources == ()


def test_a_document_has_its_rules_beside_it(tmp_path: Path) -> None:
    own = write(tmp_path / "own.conf")
    tree = only(Files([document(tmp_path, "[core, own.conf]", "own.conf")]))
    assert list(tree.rules) == [str(own)]
    assert tree.data["gateway"]["waf"] == {  # type: ignore[index,call-overload]
        "rules": ["core", str(own)],
        "log": str(tmp_path / "logs/waf.jsonl"),
    }


def test_the_fault_stands_at_the_word(tmp_path: Path) -> None:
    tree = only(Files([document(tmp_path, "[core, own.conf]", "gone")], crs=[]))
    told = [(path, fault.code, fault.place.line) for path, fault in tree.faults]
    assert told == [
        (("gateway", "waf"), "rules.missing", 1),
        (("routes", "notes", "waf"), "rules.missing", 2),
    ]


def test_another_rule_makes_another_tree(tmp_path: Path) -> None:
    own = write(tmp_path / "own/a.conf")
    files = Files([document(tmp_path, "own")])
    before = only(files)
    assert not files.look()
    assert files.polled() == [str(tmp_path / "site.yaml")]
    write(own, "SecAction nolog,id:22\n")
    assert files.look()
    changed = only(files)
    assert changed is not before
    write(tmp_path / "own/b.conf")
    os.utime(tmp_path / "own", (1, 1))
    assert files.look()
    assert len(only(files).rules[str(tmp_path / "own")].sources) == 2


def test_rules_that_were_missing_are_read_once_they_are_there(tmp_path: Path) -> None:
    files = Files([document(tmp_path, "own.conf")])
    assert only(files).faults
    write(tmp_path / "own.conf")
    assert files.look()
    assert not only(files).faults


def test_crs_is_read_once_it_is_installed_and_again_when_another_release_is(tmp_path: Path) -> None:
    current = tmp_path / "crs/current"
    files = Files([document(tmp_path, "crs")], crs=[tmp_path / "none", current])
    assert [fault.code for _, fault in only(files).faults] == ["rules.no-crs"]
    for version in ("1", "2"):
        write(tmp_path / "crs" / version / "rules/a.conf", f"SecAction nolog,id:{version}\n")
    current.symlink_to("1")
    assert files.look()
    assert only(files).rules["crs"].sources == (("crs/rules/a.conf", "SecAction nolog,id:1\n"),)
    current.unlink()
    current.symlink_to("2")
    assert files.look()
    assert only(files).rules["crs"].sources == (("crs/rules/a.conf", "SecAction nolog,id:2\n"),)


def test_a_restart_has_the_rules_of_then(tmp_path: Path) -> None:
    own = write(tmp_path / "own.conf")
    files = Files([document(tmp_path, "own.conf")])
    accepted = only(files)
    sources = dict(files.sources())
    assert [is_kept(name) for name in sources] == [False, True]
    own.unlink()
    name = next(iter(sources))
    (tree,) = parse(name, sources[name].encode())
    again = with_kept(tree, name, sources)
    assert again.rules == accepted.rules
    assert again.data == accepted.data
    assert with_kept(replace(tree, data={}), "other.yaml", sources).rules == {}
