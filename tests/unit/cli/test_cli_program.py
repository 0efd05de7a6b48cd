"""The program itself, as a process: help, usage, exit codes, colours, and no tracebacks."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from cli_running import process

COMMANDS = (
    "up",
    "demo",
    "check",
    "status",
    "explain",
    "effective",
    "user",
    "proxy",
    "proxy-token",
    "trust",
)


def test_help_names_every_command_and_the_exit_codes(tmp_path: Path) -> None:
    said = process("--help", cwd=tmp_path)
    assert said.code == 0
    for name in COMMANDS:
        assert f" {name} " in said.out
    for words in ("Exit codes", "OSTIARY_STATE", "NO_COLOR"):
        assert words in said.out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(tmp_path: Path, name: str) -> None:
    said = process(name, "--help", cwd=tmp_path)
    assert said.code == 0, said.err
    assert "Usage: ostiary " + name in said.out
    if name not in {"check", "user", "trust"}:
        assert "--state" in said.out


def test_help_comes_at_once(tmp_path: Path) -> None:
    best = 9.0
    for _ in range(3):
        start = time.monotonic()
        process("--help", cwd=tmp_path)
        best = min(best, time.monotonic() - start)
    assert best < 1.0  # 0.3 s where it was written, on an idle machine


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["nonsense"], "nonsense"),
        (["check"], "DOCUMENTS"),
        (["up"], "DOCUMENTS"),
        (["explain"], "DECISION"),
        (["status", "--jason"], "--jason"),
        (["user", "add"], "NAME"),
        (["proxy", "--id", "x"], "--control-plane"),
        (["status", "--state"], "--state needs a value"),
        (["status", "extra"], "does not know what to do with 'extra'"),
    ],
)
def test_wrong_usage_is_2_and_one_sentence(tmp_path: Path, arguments: list[str], word: str) -> None:
    said = process(*arguments, cwd=tmp_path)
    assert said.code == 2
    assert word in said.err
    assert "--help says how it is used" in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["explain", "d1"],
        ["effective", "notes"],
        ["user", "list"],
        ["user", "disable", "ada"],
        ["user", "add", "ada", "--generate"],
        ["proxy-token", "spiffe://x/y"],
    ],
)
def test_without_a_control_plane_it_says_so(tmp_path: Path, arguments: list[str]) -> None:
    said = process(*arguments, "--state", "elsewhere", cwd=tmp_path)
    assert (said.code, said.out) == (1, "")
    assert "no control plane runs with the state directory elsewhere" in said.err
    assert "hint: start one" in said.err
    assert "Traceback" not in said.err


def test_the_environment_can_name_the_state(tmp_path: Path) -> None:
    said = process("status", cwd=tmp_path, env={"OSTIARY_STATE": "from-env"})
    assert "from-env" in said.err
    said = process("status", "--state", "given", cwd=tmp_path, env={"OSTIARY_STATE": "from-env"})
    assert "directory given" in said.err


def test_colours_only_where_a_terminal_is_and_nobody_minds(tmp_path: Path) -> None:
    assert "\x1b" not in process("status", cwd=tmp_path).err
    coloured = process("status", cwd=tmp_path, env={"FORCE_COLOR": "1", "TERM": "xterm"})
    assert "\x1b[" in coloured.err
    plain = {"FORCE_COLOR": "1", "NO_COLOR": "1", "TERM": "xterm"}
    assert "\x1b[3" not in process("status", cwd=tmp_path, env=plain).err


def test_a_join_token_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    where = ("--control-plane", "127.0.0.1:1", "--id", "spiffe://x/y")
    said = process("proxy", *where, "--join-token-file", "gone", cwd=tmp_path)
    assert said.code == 1
    assert "gone" in said.err
    assert "Traceback" not in said.err
