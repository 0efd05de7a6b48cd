"""Every command that asks the control plane, against a real one over HTTPS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from api_running import EDGE, Api
from cli_running import command, control_plane

from ostiary.api.ports import Red, User
from ostiary.cli import explain


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def api(state: Path) -> Iterator[Api]:
    with control_plane(state) as running:
        yield running


def test_status_is_green_and_shows_what_runs(api: Api, state: Path) -> None:
    said = command("status", "--state", state)
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("green\n")
    for words in ("127.0.0.1:8443", "gateway/main", "connected", "revision 3", "1 decisions"):
        assert words in said.out
    assert "service mail has no route" in said.out


def test_status_is_red_with_place_and_hint(api: Api, state: Path) -> None:
    api.plane.red = (Red("route-refused", "site.yaml:3:1", "Envoy took no such route", "mend it"),)
    said = command("status", "--state", state)
    assert said.out.startswith("red\n")
    assert "site.yaml:3:1: route-refused: Envoy took no such route" in said.out
    assert "hint: mend it" in said.out


def test_status_for_a_program(api: Api, state: Path) -> None:
    found = json.loads(command("status", "--json", "--state", state).out)
    address = {"listener": "https", "host": "127.0.0.1", "port": 8443}
    assert found["gateways"] == [{"namespace": "default", "name": "main", "addresses": [address]}]


def test_explain_says_rule_inputs_missing_and_remedy(api: Api, state: Path) -> None:
    said = command("explain", "d1", "--state", state)
    assert said.code == 0
    for words in (
        "403 refused",
        "decided by   access of route notes",
        "signed in as: visitor",
        "missing      editors write needs membership of the group editors",
        "remedy       have the account",
        "site.yaml:7:3",
    ):
        assert words in said.out


def test_a_request_cannot_write_on_the_terminal(api: Api, state: Path) -> None:
    said = command("explain", "d1", "--state", state)
    assert "\x1b" not in said.out
    assert r"/notes\x1b[31m" in said.out


def test_what_is_not_recorded_is_said_after_a_moment(
    api: Api, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explain, "PATIENCE", 0.3)
    said = command("explain", "unheard-of", "--state", state)
    assert (said.code, said.out) == (1, "")
    assert "unheard-of is not recorded" in said.err


def test_explain_for_a_program(api: Api, state: Path) -> None:
    (found,) = json.loads(command("explain", "d1", "--json", "--state", state).out)
    assert found["decided_by"] == "access of route notes"


def test_effective_shows_levels_in_words(api: Api, state: Path) -> None:
    said = command("effective", "notes", "--state", state)
    assert said.code == 0
    assert "allow editors write: groups editors" in said.out
    assert 'timeouts     {"request": "0s"}' in said.out
    assert "timeouts.request comes from gateway main" in said.out
    missing = command("effective", "mail", "--state", state)
    assert missing.code == 1
    assert "no route 'mail'" in missing.err


def test_a_user_is_added_listed_and_disabled(api: Api, state: Path) -> None:
    more = ("--email", "ada@example.com", "--group", "staff", "--group", "editors")
    said = command("user", "add", "ada", *more, "--password-stdin", "--state", state, stdin="pw\n")
    assert (said.code, said.out) == (0, "")
    assert api.plane.passwords == {"ada": "pw"}
    assert api.plane.accounts["ada"].groups == ("staff", "editors")
    assert "staff, editors" in command("user", "list", "--state", state).out
    assert command("user", "disable", "ada", "--state", state).code == 0
    assert "disabled" in command("user", "list", "--state", state).out


def test_trust_is_withdrawn_and_given_back(api: Api, state: Path) -> None:
    api.plane.accounts["ada"] = User("ada", "", (), disabled=False)
    said = command("verdict", "put", "user", "ada", "--reason", "left", "--state", state)
    assert said.code == 0
    assert "enforced at 2 of 2 gateways" in said.err
    listed = command("verdict", "list", "--state", state).out
    assert said.out.strip() in listed
    assert "user  ada  deny  left" in listed
    assert command("verdict", "lift", "user", "ada", "--state", state).code == 0
    assert "no verdict holds" in command("verdict", "list", "--state", state).err
    again = command("verdict", "lift", "user", "ada", "--state", state)
    assert (again.code, "no verdict about the user" in again.err) == (1, True)
    assert "lift  user ada" in command("audit", "--state", state).out


def test_who_does_not_enforce_it_yet_is_named(api: Api, state: Path) -> None:
    api.plane.accounts["ada"] = User("ada", "", (), disabled=False)
    api.plane.late = (EDGE,)
    said = command("user", "disable", "ada", "--state", state)
    assert "enforced at 1 of 2 gateways" in said.err
    assert f"not yet: {EDGE}" in said.err


def test_sessions_are_listed_and_killed(api: Api, state: Path) -> None:
    assert "nobody is signed in" in command("session", "list", "--state", state).err
    said = command("session", "kill", "s1", "--state", state)
    assert (said.code, "there is no session 's1'" in said.err) == (1, True)


def test_a_generated_password_is_printed_alone(api: Api, state: Path) -> None:
    said = command("user", "add", "ada", "--generate", "--state", state)
    assert said.out == api.plane.passwords["ada"] + "\n"
    assert len(said.out) > 12


def test_a_taken_name_is_refused_in_words(api: Api, state: Path) -> None:
    api.plane.accounts["ada"] = User("ada", "", (), disabled=False)
    said = command("user", "add", "ada", "--generate", "--state", state)
    assert (said.code, said.out) == (1, "")
    assert "there is an account ada" in said.err


def test_without_a_terminal_the_password_must_come_from_somewhere(api: Api, state: Path) -> None:
    said = command("user", "add", "ada", "--state", state)
    assert said.code == 1
    assert "--password-stdin" in said.err
    both = ("--password-stdin", "--generate")
    said = command("user", "add", "ada", *both, "--state", state, stdin="pw\n")
    assert said.code == 1
    assert api.plane.accounts == {}


def test_a_proxy_token_is_printed_alone(api: Api, state: Path) -> None:
    said = command("proxy-token", "spiffe://x/y", "--state", state)
    assert said.out == "join-me\n"
    assert "--control-plane 127.0.0.1:9443 --id spiffe://x/y" in said.err


def test_a_control_plane_that_ended_hard_is_silent(state: Path) -> None:
    with control_plane(state):
        pass
    said = command("status", "--state", state)
    assert said.code == 1
    assert "does not answer" in said.err


def test_a_certificate_of_another_authority_is_not_trusted(
    api: Api, state: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    with control_plane(other):
        facts = json.loads((state / "admin.json").read_text())
        facts["ca"] = str(other / "ca.pem")
        (state / "admin.json").write_text(json.dumps(facts))
        said = command("status", "--state", state)
    assert said.code == 1
    assert "certificate" in said.err.lower()


def test_a_wrong_token_is_said(api: Api, state: Path) -> None:
    (state / "admin.token").write_text("old")
    said = command("status", "--state", state)
    assert said.code == 1
    assert "bearer token" in said.err


@pytest.mark.parametrize("text", ["", "{}", "[]", "{", '{"url": 1, "token_file": 2, "ca": 3}'])
def test_a_broken_admin_file_is_said(state: Path, text: str) -> None:
    state.mkdir()
    (state / "admin.json").write_text(text)
    said = command("status", "--state", state)
    assert said.code == 1
    assert "admin.json" in said.err
    assert "Traceback" not in said.err
