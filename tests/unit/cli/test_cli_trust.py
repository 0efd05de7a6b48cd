"""`trust` puts our authority into real NSS databases and takes it out, and says what it did."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from api_running import certificates
from cli_running import Said, process

from ostiary.cli import terminal
from ostiary.cli.anchor import Anchor, as_root, run

needs_certutil = pytest.mark.skipif(
    shutil.which("certutil") is None, reason="certutil is not installed (libnss3-tools)"
)
BROWSERS = ("--no-system", "--browsers")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    made = tmp_path / "state"
    made.mkdir()
    certificates(made)
    return made


def firefox(home: Path) -> Path:
    database = home / ".mozilla/firefox/abc.default"
    database.mkdir(parents=True)
    made = ["certutil", "-N", "-d", f"sql:{database}", "--empty-password"]
    subprocess.run(made, check=True)
    return database


def trusted(database: Path) -> str:
    listed = ["certutil", "-L", "-d", f"sql:{database}"]
    return subprocess.run(listed, check=True, capture_output=True, text=True).stdout


def trust(verb: str, *options: str, home: Path, state: Path) -> Said:
    return process("trust", verb, *options, "--state", state, cwd=home, env={"HOME": str(home)})


@needs_certutil
def test_browsers_trust_it_and_no_longer(tmp_path: Path, state: Path) -> None:
    database = firefox(tmp_path)
    name = Anchor.of(state).name
    said = trust("install", *BROWSERS, home=tmp_path, state=state)
    assert said.code == 0, said
    assert f"done         added the authority to {database}" in said.out
    (line,) = [line for line in trusted(database).splitlines() if line.startswith(name)]
    assert line.split()[-1] == "C,,"
    said = trust("remove", *BROWSERS, home=tmp_path, state=state)
    assert said.code == 0
    assert name not in trusted(database)
    assert "did not have it" in trust("remove", *BROWSERS, home=tmp_path, state=state).out


@needs_certutil
def test_chromiums_database_is_made_when_there_is_none(tmp_path: Path, state: Path) -> None:
    assert trust("install", *BROWSERS, home=tmp_path, state=state).code == 0
    assert Anchor.of(state).name in trusted(tmp_path / ".pki/nssdb")


def test_without_certutil_it_says_what_it_could_not_do(tmp_path: Path, state: Path) -> None:
    env = {"HOME": str(tmp_path), "PATH": str(tmp_path)}
    said = process("trust", "install", *BROWSERS, "--state", state, cwd=tmp_path, env=env)
    assert said.code == 1
    assert "not done" in said.out
    assert "libnss3-tools" in said.out


def test_without_an_authority_there_is_nothing_to_trust(tmp_path: Path) -> None:
    said = trust("install", home=tmp_path, state=tmp_path / "nowhere")
    assert said.code == 1
    assert "ca.pem" in said.err
    (tmp_path / "ca.pem").write_text("no certificate")
    assert trust("install", home=tmp_path, state=tmp_path).code == 1


def test_two_authorities_have_two_names(tmp_path: Path, state: Path) -> None:
    certificates(tmp_path)
    assert Anchor.of(tmp_path).name != Anchor.of(state).name
    assert Anchor.of(state).name.startswith("ostiary-")


def test_a_command_that_fails_says_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(["true"]) == ""
    assert run(["sh", "-c", "echo first >&2; echo last >&2; exit 3"]) == "last"
    assert run(["sh", "-c", "exit 3"]) == "it ended with 3"
    assert "No such file" in run(["/nonexistent/program"])
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(terminal, "interactive", lambda: False)
    deed = as_root([["install", "a", "b"], ["update"]], "done")
    assert not deed.done
    assert "sudo install a b" in deed.hint
