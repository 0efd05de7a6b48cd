"""From shadow to blocking: traffic that a real gateway recorded, tuned, tried and then enforced."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import guard_library
import httpx
import pytest
from demo_process import OSTIARY
from loopback import loopback_client
from up_process import Up, echo, free_ports, running_up, until

pytestmark = pytest.mark.envoy

DOCUMENT = """\
gateway:
  https: {{ port: {port}, address: 127.0.0.1, hosts: ["*.apps.localhost"] }}
services: {{ app: {{ at: ["{app}"] }} }}
routes:
  notes:
    host: notes.apps.localhost
    to: app
    access: public
    waf:
      rules: core
      mode: shadow  # until we know what people write
      log: {{ file: waf.jsonl, record: true }}
"""


class Sent(NamedTuple):
    """One request, and the address that it comes from."""

    name: str
    source: str
    method: str
    path: str
    more: dict[str, Any]


def comment(number: int, text: str, source: str, name: str) -> Sent:
    return Sent(name, source, "POST", f"/notes/{number}/comments", {"data": {"text": text}})


BENIGN = [
    Sent(f"benign-{number}", "127.0.0.9", method, path, more)
    for number, (method, path, more) in enumerate(
        (
            ("GET", "/", {}),
            ("GET", "/search", {"params": {"q": "O'Neill & sons"}}),
            ("POST", "/notes", {"data": {"title": "Rock 'n' roll", "text": "it's 50% off -- now"}}),
            ("POST", "/api/notes", {"json": {"text": ["a < b", "select one"], "n": 3}}),
        )
    )
]
QUOTED = [
    comment(17 + number, "what does UNION ALL SELECT do in chapter 3?", source, f"quoted-{number}")
    for number, source in enumerate(("127.0.0.2", "127.0.0.3", "127.0.0.4") * 2)
]
"""People who write about SQL: the false positives."""
ATTACKER = "127.0.0.66"
MIXED = "1' union all select 1,2-- <script>alert(1)</script>;cat /etc/passwd"
ATTACKS = [
    comment(17, "<script>alert(1)</script>", ATTACKER, "attack-markup"),
    comment(17, MIXED, ATTACKER, "attack-mixed"),
    Sent("attack-query", ATTACKER, "GET", "/notes", {"params": {"id": "1' union select 2--"}}),
    Sent("attack-path", ATTACKER, "GET", "/get", {"params": {"file": "../../etc/passwd"}}),
    Sent("attack-json", ATTACKER, "POST", "/api", {"json": {"a": {"b": "; cat /etc/passwd"}}}),
]


def ask(up: Up, one: Sent) -> httpx.Response:
    with closing(loopback_client(up.facts["ca"], one.source)) as client:
        url = f"https://notes.apps.localhost:{up.https}{one.path}"
        return client.request(one.method, url, headers={"x-crs-test": one.name}, **one.more)


def command(folder: Path, *words: str) -> str:
    """What `ostiary` says to programs; what it says to people is not asked."""
    command = [str(OSTIARY), *words]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode in {0, 1}, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A gateway in shadow mode that has seen all of the traffic, and its log is written."""
    guard_library.needed("waf_head")
    folder, (port,) = tmp_path_factory.mktemp("tuning"), free_ports(1)
    document, log = folder / "gateway.yaml", folder / "waf.jsonl"
    with echo() as app:
        document.write_text(DOCUMENT.format(port=port, app=app))
        with running_up(folder / "state", [document], https=port) as running:
            traffic = [*BENIGN, *QUOTED, *ATTACKS]
            assert {ask(running, one).status_code for one in traffic} == {200}
            until(lambda: log.exists() and log.read_text().count("\n") == len(traffic))
            yield running


def names(found: list[dict[str, Any]]) -> list[str]:
    return sorted(one["request_id"] for one in found)


def test_tuned_traffic_takes_the_false_positives_away_and_nothing_else(up: Up) -> None:
    folder = up.state.parent
    document = folder / "gateway.yaml"
    before = document.read_text()
    asked = ("waf", "tune", "--traffic", "waf.jsonl", "--document", "gateway.yaml")
    tuned = json.loads(command(folder, *asked, "--json"))
    assert [(one["rule"], one["target"], one["paths"]) for one in tuned["proposals"]] == [
        (10301, "ARGS:text", ["/notes/*"])
    ]
    assert (tuned["stopped"], tuned["left"]) == (len(QUOTED) + len(ATTACKS), len(ATTACKS))
    (folder / "old.yaml").write_text(before)
    patch = command(folder, *asked)
    apply = ["patch", "-p1", "--quiet"]
    subprocess.run(apply, input=patch, text=True, cwd=folder, check=True, timeout=30)
    assert "# until we know what people write" in document.read_text()
    assert "6 requests of 3 addresses" in document.read_text()

    replay = ("waf", "replay", "old.yaml", "gateway.yaml", "--traffic", "waf.jsonl", "--json")
    told = json.loads(command(folder, *replay))
    assert names(told["newly_passed"]) == sorted(one.name for one in QUOTED)
    assert (told["newly_stopped"], told["stopped_by_both"]) == ([], len(ATTACKS))
    assert (told["asked"], told["unrecorded"]) == (len(BENIGN + QUOTED + ATTACKS), 0)

    _enforced(up, document)


def _enforced(up: Up, document: Path) -> None:
    """The gateway decides as the replay said."""
    document.write_text(document.read_text().replace("mode: shadow", "mode: block"))
    until(lambda: ask(up, ATTACKS[0]).status_code == 403)
    assert {ask(up, one).status_code for one in BENIGN + QUOTED} == {200}
    assert {one.name: ask(up, one).status_code for one in ATTACKS} == {
        one.name: 403 for one in ATTACKS
    }
