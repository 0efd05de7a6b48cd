"""Sign-in is away too: valid tokens pass, expired ones as far as `offline_grace` says."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from test_away_control_plane import (
    EXPIRED,
    SAME_ORIGIN,
    people,
    process,
    settled,
    short_lived,
    stopped,
    strangers_are_strangers,
)
from up_process import until

pytestmark = pytest.mark.envoy
GRACE = 11
"""Seconds; counted from the token's own end, so that 5 s of it go unseen."""


def test_without_grace_expired_tokens_wait(tmp_path: Path) -> None:
    with short_lived(tmp_path) as demo, people(demo) as (editor, visitor):
        editor.ask("GET", "/notes")
        with stopped(process(demo, "control-plane"), process(demo, "login")):
            assert editor.ask("GET", "/notes").status_code == 200
            assert visitor.ask("GET", "/notes").status_code == 503
            strangers_are_strangers(demo)
            time.sleep(EXPIRED)
            refused = editor.ask("GET", "/notes")
            assert refused.status_code == 503
            assert "sign-in service does not answer" in refused.text
            assert refused.headers["retry-after"]
            waiting = editor.ask("POST", "/notes", json={"text": "a"}, headers=SAME_ORIGIN)
            assert waiting.status_code == 503
            strangers_are_strangers(demo)
        until(lambda: settled(demo))
        written = editor.ask("POST", "/notes", json={"text": "b"}, headers=SAME_ORIGIN)
        assert written.status_code == 201
        notes = [note["text"] for note in editor.ask("GET", "/notes").json()]
        assert (notes.count("a"), notes.count("b")) == (0, 1)


def test_grace_lets_pass_for_a_while_and_says_so(tmp_path: Path) -> None:
    sessions = f"{{ token: 1s, offline_grace: {GRACE}s }}"
    with short_lived(tmp_path, sessions) as demo, people(demo) as (editor, visitor):
        editor.ask("GET", "/notes")
        begun = time.monotonic()
        with stopped(process(demo, "login")):
            time.sleep(EXPIRED)
            passed = editor.ask("POST", "/notes", json={"text": "c"}, headers=SAME_ORIGIN)
            assert passed.status_code == 201
            assert visitor.ask("GET", "/notes").status_code == 503
            told = demo.cli("explain", passed.headers["x-ostiary-decision"]).stdout
            assert "offline grace" in told
            time.sleep(max(0.0, begun + GRACE + 3 - time.monotonic()))
            refused = editor.ask("GET", "/notes")
            assert refused.status_code == 503
            assert "sign-in service does not answer" in refused.text
        until(lambda: editor.ask("GET", "/notes").status_code == 200, 3)
        assert {"text": "c", "by": "editor"} in editor.ask("GET", "/notes").json()
