"""`ostiary waf`: asked without any gateway, with the engine that runs in Envoy."""

from __future__ import annotations

import json
from pathlib import Path

import guard_library
import pytest
from cli_running import command

ATTACK = "/?q=1' union select password from users--"
OWN = 'SecRule ARGS "@contains evil" "id:7,phase:2,deny,status:403,msg:\'evil\'"\n'


@pytest.fixture(autouse=True)
def _engine() -> None:
    guard_library.needed()
    pytest.importorskip("ostiary_guard.waf", reason="the wheel ostiary-guard is not here")


def test_a_request_is_tested_rule_by_rule() -> None:
    said = command("waf", "test", ATTACK)
    assert said.code == 1, said.err
    assert "would be stopped with 403" in said.out
    assert "rule 10300: SQL injection" in said.out
    assert "ARGS:q" in said.out
    assert command("waf", "test", "/?q=tea").code == 0
    told = json.loads(command("waf", "test", ATTACK, "--threshold", "1000", "--json").out)
    assert (told["stopped"], told["score"] >= 5) == (False, True)
    assert {one["written_at"].split(":")[0] for one in told["matches"]} == {"core.conf"}


def test_a_request_can_come_as_it_stands_on_the_wire(tmp_path: Path) -> None:
    (tmp_path / "own.conf").write_text(OWN)
    raw = tmp_path / "request.txt"
    raw.write_bytes(
        b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n"
        b"a=evil"
    )
    said = command("waf", "test", "--raw", raw, "--rules", tmp_path / "own.conf", "--times")
    assert (said.code, "by rule 7" in said.out) == (1, True), said.err
    (tmp_path / "body").write_bytes(b"a=evil")
    body = f"@{tmp_path / 'body'}"
    assert command("waf", "test", "/", "-d", body, "--rules", tmp_path).code == 1
    raw.write_text("hello\n")
    said = command("waf", "test", "--raw", raw)
    assert (said.code, "first line" in said.err) == (1, True)


def test_what_cannot_be_tested_is_told() -> None:
    assert "there is no request" in command("waf", "test").err
    assert "no header" in command("waf", "test", "/", "-H", "nothing").err
    assert "no paranoia level" in command("waf", "test", "/", "--paranoia", "5").err
    assert "cannot be read" in command("waf", "test", "/", "--rules", "not-there.conf").err
    assert "cannot be read" in command("waf", "test", "/", "-d", "@not-there").err


def test_a_rule_is_explained_with_its_text() -> None:
    said = command("waf", "explain", "10300")
    assert said.code == 0, said.err
    for part in ("core.conf:", "@detectSQLi", "the body of the request", "id:10300"):
        assert part in said.out
    told = json.loads(command("waf", "explain", "10300", "--json").out)
    assert told["conditions"][0]["looks_at"][0] == "ARGS"
    assert "there is no rule 4" in command("waf", "explain", "4", "--rules", "core").err


def test_lint_tells_every_fault_with_its_place(tmp_path: Path) -> None:
    own = tmp_path / "own.conf"
    own.write_text(OWN + OWN + OWN)
    said = command("waf", "lint", own)
    assert said.code == 1
    assert f"{own}:2: fault: rule 7 is there twice" in said.out
    assert f"{own}:3: fault: rule 7 is there twice" in said.out
    own.write_text("SecRool\nSecRule ARGS @nonsense id:1\n")
    told = json.loads(command("waf", "lint", own, "--json").out)
    assert [one["line"] for one in told["faults"]] == [1, 2]
    own.write_text(OWN.replace("@contains evil", "@rx (a)\\1"))
    said = command("waf", "lint", own)
    assert (said.code, "warning" in said.out) == (0, True)
    assert command("waf", "lint", "core").err.startswith("sound: ")


def test_a_release_of_this_machine_is_installed(tmp_path: Path) -> None:
    rules = tmp_path / "release" / "rules"
    rules.mkdir(parents=True)
    (rules / "REQUEST-1.conf").write_text(OWN.replace("deny", "deny,ver:'OWASP_CRS/4.1.0'"))
    where = ("--from", rules.parent, "--to", tmp_path / "crs")
    said = command("waf", "install-crs", *where)
    assert (said.code, "CRS 4.1.0 is installed: 1 rules" in said.out) == (0, True), said.err
    assert (tmp_path / "crs/current/rules/REQUEST-1.conf").is_file()
    assert "they are 4.1.0, not 4.2.0" in command("waf", "install-crs", "4.2.0", *where).err
    assert "a folder has no SHA-256" in command("waf", "install-crs", *where, "--sha256", "0").err
    assert "no version to install" in command("waf", "install-crs").err
