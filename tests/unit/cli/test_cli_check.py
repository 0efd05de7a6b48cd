"""`check` says every fault with its place and hint, and changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_running import command, process

SOUND = """\
gateway:
  https: { port: 8443, address: 127.0.0.1, hosts: ["notes.localhost"] }
identity:
  providers: { local: {} }
services:
  notes: { at: ["127.0.0.1:9001"] }
routes:
  notes:
    host: notes.localhost
    to: notes
    login: true
    access: [{ allow: { groups: [staff] } }]
"""


def test_a_sound_document_is_sound(tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(SOUND)
    said = command("check", file)
    assert (said.code, said.out, said.err) == (0, "", "sound\n")
    assert [one.name for one in tmp_path.iterdir()] == ["site.yaml"]


def test_all_faults_come_at_once_with_place_and_hint(tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    broken = SOUND.replace("host: notes", "hots: notes").replace("groups:", "gruops:")
    file.write_text(broken)
    said = command("check", file)
    assert said.code == 1
    lines = said.out.splitlines()
    places = [line.split(": ")[0] for line in lines if line.startswith(str(file))]
    assert len(places) >= 3
    assert f"{file}:9:5" in places
    assert sum(line.startswith("  hint: ") for line in lines) >= 2
    assert said.err.strip().endswith("faults")


def test_a_warning_alone_is_no_fault(tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    lines = [line for line in SOUND.splitlines() if "access:" not in line]
    file.write_text("\n".join(lines) + "\n")
    said = command("check", file)
    assert said.code == 0
    assert "warning: " in said.out
    assert "sound, 1 warning" in said.err


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b"a: [", b"- 1\n"])
def test_what_is_no_document_is_said_without_a_traceback(
    tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "site.yaml"
    if content is not None:
        file.write_bytes(content)
    said = command("check", file)
    assert said.code == 1
    assert str(file) in said.out + said.err


def test_the_program_says_the_same(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("routes: {a: {}}\n")
    said = process("check", "site.yaml", cwd=tmp_path)
    assert said.code == 1
    assert said.out.startswith("site.yaml:1:")
    assert "Traceback" not in said.err


def test_up_refuses_the_state_of_a_demo_in_words(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(SOUND)
    (tmp_path / "state").mkdir()
    (tmp_path / "state/demo.stamp").touch()
    said = process("up", "site.yaml", "--state", "state", cwd=tmp_path)
    assert said.code == 1
    assert "state of a demo" in said.err
    assert "hint: " in said.err


def test_a_first_up_with_a_name_that_leads_nowhere_ends(tmp_path: Path) -> None:
    said = process("up", "nowhere.yaml", "--state", "state", cwd=tmp_path)
    assert said.code == 1
    assert "there is no nowhere.yaml" in said.err
    assert not (tmp_path / "state").exists()
