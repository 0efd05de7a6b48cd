"""Files and folders as trees: which are read, which are not, and what is read again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ostiary.language.tree import Tree
from ostiary.sources.files import Files

ROUTE = "routes: {%s: {host: %s.example, to: s}}\n"


def write(path: Path, name: str = "a") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(ROUTE % (name, name))
    return path


def codes(trees: list[Tree]) -> list[str]:
    return [fault.code for tree in trees for _, fault in tree.faults]


def test_a_folder_is_read_with_its_folders(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.yml", "sub/c.yaml"):
        write(tmp_path / name)
    for name in (".hidden.yaml", "#x.yaml#", "~x.yaml", "notes.txt", ".git/d.yaml", "x.yaml~"):
        write(tmp_path / name)
    found = [Path(tree.file).relative_to(tmp_path).as_posix() for tree in Files([tmp_path]).read()]
    assert found == ["a.yml", "b.yaml", "sub/c.yaml"]


def test_a_named_file_may_be_called_anything(tmp_path: Path) -> None:
    assert codes(Files([write(tmp_path / ".gate")]).read()) == []


def test_files_are_shown_as_they_were_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "conf/a.yaml")
    monkeypatch.chdir(tmp_path)
    assert [tree.file for tree in Files(["conf"]).read()] == ["conf/a.yaml"]


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.yaml").symlink_to(write(tmp_path / "out/a.yaml"))
    assert codes(Files([tmp_path / "in"]).read()) == []


def test_every_unreadable_file_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml")
    (tmp_path / "b.yaml").write_bytes(b"\xff")
    (tmp_path / "c.yaml").write_text("")
    os.mkfifo(tmp_path / "d.yaml")
    trees = Files([tmp_path, tmp_path / "gone"]).read()
    assert sorted(codes(trees)) == [
        "file.missing",
        "file.unreadable",
        "yaml.empty",
        "yaml.not-utf8",
    ]
    assert len(trees) == 5


def test_only_what_changed_is_read_again(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml")
    write(tmp_path / "b.yaml", "b")
    files = Files([tmp_path])
    before = files.read()
    assert not files.look()
    assert files.read() is before
    write(tmp_path / "b.yaml", "bb")
    assert files.look()
    after = files.read()
    assert after[0] is before[0]
    assert after[1] is not before[1]


def test_sources_are_the_texts(tmp_path: Path) -> None:
    file = write(tmp_path / "a.yaml")
    files = Files([file])
    files.read()
    assert files.sources() == {str(file): file.read_text()}


def test_a_vanished_file_is_an_error_if_named_and_a_removal_in_a_folder(tmp_path: Path) -> None:
    named, inside = write(tmp_path / "named.yaml"), write(tmp_path / "conf/a.yaml", "b")
    write(tmp_path / "conf/b.yaml", "c")
    files = Files([named, tmp_path / "conf"])
    files.read()
    named.unlink()
    inside.unlink()
    assert files.look()
    assert codes(files.read()) == ["file.vanished"]
    assert len(files.read()) == 2


def test_certificates_become_absolute_and_a_new_one_is_noticed(tmp_path: Path) -> None:
    text = "gateway: {https: {port: 1, certificate: {file: tls/a.pem, key: tls/a.key}}}\n"
    (tmp_path / "a.yaml").write_text(text)
    files = Files([tmp_path / "a.yaml"])
    (tree,) = files.read()
    assert isinstance(tree.data, dict)
    named = tree.data["gateway"]["https"]["certificate"]
    assert named["file"] == str(tmp_path / "tls/a.pem")
    assert codes([tree]) == ["certificate.unreadable"]
    (tmp_path / "tls").mkdir()
    (tmp_path / "tls/a.pem").write_text("no certificate")
    assert files.look()
    assert codes(files.read()) == ["secret.unreadable"]
