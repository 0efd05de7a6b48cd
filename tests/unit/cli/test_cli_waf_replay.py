"""`ostiary waf replay`: recorded requests asked again, with the engine that runs in Envoy."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import guard_library
import pytest
from cli_running import command

sys.path.insert(0, str(Path(__file__).parents[1] / "waf"))
from traffic_lines import line, log

OLD = 'SecRule ARGS "@contains evil" "id:7,phase:2,deny,status:403,msg:\'evil\'"\n'
NEW = 'SecRule ARGS|ARGS_NAMES "@rx (?i)evil|bad" "id:7,phase:2,deny,status:403,msg:\'evil\'"\n'
DOCUMENT = """\
gateway:
  https: {port: 8443, address: 127.0.0.1, hosts: ["*.example"]}
services: {notes: {at: ["127.0.0.1:9001"]}}
identity: {providers: {local: {}}}
routes:
  notes:
    host: a.example
    to: notes
    access: public
    waf:
      rules: old.conf
      exclude:
        - rule: 7
          where: {target: "ARGS:text", paths: [/notes/*]}
          because: people write so
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    guard_library.needed()
    pytest.importorskip("ostiary_guard.waf", reason="the wheel ostiary-guard is not here")
    (tmp_path / "old.conf").write_text(OLD)
    (tmp_path / "new.conf").write_text(NEW)
    (tmp_path / "waf.log").write_text(
        log(
            line("/notes/1?text=evil"),
            line("/notes/2?text=bad"),
            line("/other?text=evil"),
            line("/", method="POST", body=b"bad=1"),
            line("/", method="POST", body=b"good=1"),
        )
    )
    return tmp_path


def replayed(folder: Path, old: str, new: str, *more: str) -> tuple[int, dict[str, object]]:
    sides = [folder / old, folder / new]
    said = command("waf", "replay", *sides, "--traffic", folder / "waf.log", "--json", *more)
    assert said.out, said.err
    return said.code, json.loads(said.out)


def lines(found: object) -> list[int]:
    assert isinstance(found, list)
    return [one["line"] for one in found]


def test_newly_stopped_requests_are_a_failure_beyond_the_number_allowed(folder: Path) -> None:
    code, told = replayed(folder, "old.conf", "new.conf")
    assert (code, lines(told["newly_stopped"]), told["stopped_by_both"]) == (1, [2, 4], 2)
    assert replayed(folder, "old.conf", "new.conf", "--most", "2")[0] == 0
    assert replayed(folder, "old.conf", "old.conf")[0] == 0


def test_an_exclusion_is_tried_before_it_is_written(folder: Path) -> None:
    exclusion = "7 ARGS:text /notes/*"
    code, told = replayed(folder, "old.conf", "old.conf", "--exclude", exclusion)
    assert (code, lines(told["newly_passed"])) == (0, [1])
    said = command(
        *("waf", "replay", folder / "old.conf", folder / "old.conf"),
        *("--traffic", folder / "waf.log", "--exclude", "7 NONSENSE"),
    )
    assert (said.code, "NONSENSE" in said.err) == (1, True)


def test_a_document_applies_its_rules_route_by_route(folder: Path) -> None:
    (folder / "gateway.yaml").write_text(DOCUMENT)
    code, told = replayed(folder, "old.conf", "gateway.yaml")
    assert (code, lines(told["newly_passed"]), told["stopped_by_both"]) == (0, [1], 1)


def test_people_read_which_request_and_which_rule(folder: Path) -> None:
    sides = [folder / "old.conf", folder / "new.conf"]
    said = command("waf", "replay", *sides, "--traffic", folder / "waf.log")
    assert "2 would be stopped and passed before" in said.out
    assert "a.example/notes/2  7  (line 2, r-1)" in said.out
    assert "5 requests asked again" in said.out


def test_traffic_that_cannot_be_replayed_is_told(folder: Path) -> None:
    log_file = folder / "waf.log"
    log_file.write_text(log(line(request=None)))
    said = command("waf", "replay", "core", "core", "--traffic", log_file)
    assert (said.code, "has no recorded request" in said.err) == (1, True)
    log_file.write_text("hello\n")
    said = command("waf", "replay", "core", "core", "--traffic", log_file)
    assert (said.code, "waf.log:1: there is no traffic" in said.err) == (1, True)
