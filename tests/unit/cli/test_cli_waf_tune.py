"""`ostiary waf tune`: a log becomes a patch that the document takes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import guard_library
import pytest
from cli_running import command

sys.path.insert(0, str(Path(__file__).parents[1] / "waf"))
from traffic_lines import line, log

DOCUMENT = """\
gateway:
  https: {port: 8443, address: 127.0.0.1, hosts: ["*.example"]}
services: {notes: {at: ["127.0.0.1:9001"]}}
identity: {providers: {local: {}}}
routes:
  # what people write
  notes:
    host: a.example
    to: notes
    access: public
    waf:
      rules: core  # ours
      mode: shadow
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    guard_library.needed()
    pytest.importorskip("ostiary_guard.waf", reason="the wheel ostiary-guard is not here")
    (tmp_path / "gateway.yaml").write_text(DOCUMENT)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def comment(number: int, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "rules": [10300],
        "places": ["ARGS:text"],
        "client": f"192.0.2.{number}",
        "body": b"text=1' union select password from users--",
    }
    return line("/notes", method="POST", **(found | more))


def test_a_patch_is_taken_by_the_document_and_does_what_it_says(folder: Path) -> None:
    rules: list[int] = [10300, 10301]
    written = [comment(n, rules=rules, places=["ARGS:text"] * 2) for n in range(6)]
    (folder / "waf.log").write_text(log(*written))
    said = command("waf", "tune", "--traffic", "waf.log", "--document", "gateway.yaml")
    assert said.code == 0, said.err
    assert "evidence     6 requests, 6 addresses, 1 day" in said.err
    assert "6 requests would be stopped today, 0 with these exclusions" in said.err
    done = subprocess.run(
        ["patch", "-p1"], input=said.out, cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    after = (folder / "gateway.yaml").read_text()
    assert all(one in after for one in ("# what people write", "core  # ours", "rule: 10300"))
    assert command("check", "gateway.yaml").code == 0
    block = after.replace("mode: shadow", "mode: block")
    (folder / "gateway.yaml").write_text(block)
    replayed = command("waf", "replay", "core", "gateway.yaml", "--traffic", "waf.log", "--json")
    assert len(json.loads(replayed.out)["newly_passed"]) == 6


def test_what_the_document_would_let_pass_needs_no_exclusion(folder: Path) -> None:
    (folder / "waf.log").write_text(log(*(comment(n) for n in range(6))))
    asked = ("waf", "tune", "--traffic", "waf.log", "--document", "gateway.yaml", "--json")
    assert json.loads(command(*asked).out)["stopped"] == 6
    high = DOCUMENT.replace("mode: shadow", "mode: shadow\n      threshold: 50")
    (folder / "gateway.yaml").write_text(high)
    told = json.loads(command(*asked).out)
    assert (told["stopped"], told["proposals"]) == (0, [])


def test_what_is_not_proposed_is_told(folder: Path) -> None:
    (folder / "waf.log").write_text(log(*(comment(1) for _ in range(9))))
    said = command("waf", "tune", "--traffic", "waf.log", "--document", "gateway.yaml")
    assert (said.code, said.out) == (0, "")
    assert "not proposed: rule 10300 for ARGS:text" in said.err
    assert "it comes from 1 address only" in said.err


def test_a_proposal_without_a_place_in_the_document_is_told(folder: Path) -> None:
    written = [comment(n, route="default/default/gone@x") for n in range(6)]
    (folder / "waf.log").write_text(log(*written))
    said = command("waf", "tune", "--traffic", "waf.log", "--document", "gateway.yaml")
    assert "the document has no route default/default/gone" in said.err
    told = json.loads(command("waf", "tune", "--traffic", "waf.log", "--json").out)
    assert told["proposals"][0]["target"] == "ARGS:text"
    assert (told["patch"], told["declined"]) == ("", [])


def test_a_part_that_no_exclusion_can_name_is_not_proposed(folder: Path) -> None:
    written = [comment(n, places=["NONSENSE:x"]) for n in range(6)]
    (folder / "waf.log").write_text(log(*written))
    told = json.loads(command("waf", "tune", "--traffic", "waf.log", "--json").out)
    assert (told["proposals"], "NONSENSE" in told["declined"][0]["because"]) == ([], True)
