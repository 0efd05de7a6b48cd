"""`waf` through the real entry points: what is stopped, what is said to whom, what is written."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import guard_library
import httpx
import pytest
from browserless import NAVIGATION, Person
from demo_process import OSTIARY
from loopback import loopback_client
from up_process import Up, echo, free_ports, running_up, until

pytestmark = pytest.mark.envoy

DOCUMENT = """\
gateway:
  https: {{ port: {port}, address: 127.0.0.1, hosts: ["*.apps.localhost"] }}
  waf: {{ rules: [core, rules], children_may: [exclude, shadow], log: waf.jsonl }}
identity: {{ providers: {{ local: {{}} }} }}
services: {{ app: {{ at: ["{app}"] }} }}
routes:
  open: {{ host: open.apps.localhost, to: app, access: public }}
  small: {{ host: small.apps.localhost, to: app, access: public, waf: {{ body_limit: 1KiB }} }}
  staff: {{ host: staff.apps.localhost, to: app, login: true, access: [{{ allow: {{}} }}] }}
  shadow:
    host: shadow.apps.localhost
    to: app
    access: public
    waf: {{ mode: shadow, log: {{ file: shadow.jsonl, record: true }} }}
  quotes:
    host: quotes.apps.localhost
    to: app
    access: public
    waf:
      exclude:
        - rule: tag:sqli
          where: {{ target: "ARGS:text", paths: [/notes/*] }}
          because: notes quote SQL
"""
RULE = """\
SecRule ARGS:word "@streq {word}" "id:77,phase:2,deny,status:403,msg:'The word',tag:'own'"
SecRule ARGS "@pmFromFile words.data" "id:78,phase:2,deny,status:403,msg:'A listed word',tag:'own'"
"""
STRANGERS = "strangers: { budget: 1ms, burst: 1ms }"
SENTENCE = "It's a long story of bread & butter; who (or what) ate <it>? "
SQL, MARKUP = "1' union select password from users --", "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def app() -> Iterator[str]:
    guard_library.needed("waf_head")
    with echo() as address:
        yield address


def site(folder: Path, app: str, word: str = "sesame") -> tuple[Path, int]:
    """The document and the rules in `folder`, and the port that is written there."""
    (port,) = free_ports(1)
    file = folder / "gateway.yaml"
    (folder / "rules").mkdir(exist_ok=True)
    (folder / "rules/own.conf").write_text(RULE.format(word=word))
    (folder / "rules/words.data").write_text("# words\nabracadabra\n")
    file.write_text(DOCUMENT.format(port=port, app=app))
    return file, port


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory, app: str) -> Iterator[Up]:
    folder = tmp_path_factory.mktemp("waf")
    file, port = site(folder, app)
    host = "staff.apps.localhost"
    with running_up(folder / "state", [file], https=port, host=host) as running:
        running.add_user("ann")
        yield running


def ask(up: Up, name: str, method: str = "GET", path: str = "/", **more: Any) -> httpx.Response:
    with contextlib.closing(loopback_client(up.facts["ca"])) as client:
        url = f"https://{name}.apps.localhost:{up.https}{path}"
        return client.request(method, url, **more)


def lines(up: Up, file: str) -> list[dict[str, Any]]:
    """What stands in a log beside the document."""
    path = up.state.parent / file
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def line(up: Up, file: str, name: str) -> dict[str, Any]:
    """The line of the request that called itself `name`."""
    until(lambda: any(one["request_id"] == name for one in lines(up, file)), 15)
    return next(one for one in lines(up, file) if one["request_id"] == name)


def explained(up: Up, answer: httpx.Response) -> str:
    return up.cli("explain", answer.headers["x-ostiary-decision"]).stdout


def test_what_is_no_attack_passes(up: Up) -> None:
    for text in ("bread & butter", "O'Neill said: select one, or two", "a < b > c", "50% of it"):
        assert ask(up, "open", params={"q": text}).status_code == 200
        assert ask(up, "open", "POST", data={"text": text}).status_code == 200
        assert ask(up, "open", "POST", json={"text": [text]}).json()["body"]


@pytest.mark.parametrize(
    "attack",
    [
        {"params": {"q": SQL}},
        {"params": {"q": MARKUP}},
        {"method": "POST", "data": {"text": SQL}},
        {"method": "POST", "json": {"a": [{"b": MARKUP}]}},
        {"method": "POST", "files": {"file": ("../../etc/passwd", b"x")}},
        {"params": {"word": "sesame"}},
        {"params": {"q": "say ABRACADABRA"}},
        {"path": "/?f=..%c0%af..%c0%afetc"},
    ],
)
def test_an_attack_is_stopped_in_words_that_tell_a_stranger_nothing(
    up: Up, attack: dict[str, Any]
) -> None:
    refused = ask(up, "open", **attack)
    assert refused.status_code == 403
    told = refused.json()
    assert told["error"] == "request-stopped"
    assert sorted(told) == ["decision", "error", "message"]
    assert told["decision"] == refused.headers["x-ostiary-decision"]


def test_rules_see_what_envoy_takes_away_and_nobody_can_say_it_for_them(up: Up) -> None:
    assert ask(up, "open", headers={"referer": MARKUP}).status_code == 403
    forged = ask(up, "open", headers={"x-ostiary-sent": f"referer:{MARKUP}", "referer": "no url"})
    assert forged.status_code == 200
    assert "ostiary-sent" not in forged.text.lower()
    assert "no url" not in forged.text


def test_a_stranger_who_navigates_reads_a_page_without_the_reason(up: Up) -> None:
    page = ask(up, "open", path=f"/?q={MARKUP}", headers=NAVIGATION)
    assert page.status_code == 403
    assert "This request was stopped" in page.text
    assert 'id="decision"' in page.text
    for secret in ('id="rule"', 'id="where"', "script", "alert", "1040", "score"):
        assert secret not in page.text, page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert page.headers["cache-control"] == "private, no-store"


def test_a_person_who_is_signed_in_reads_what_was_found_and_where(up: Up) -> None:
    person = Person(up)
    try:
        assert person.sign_in("ann").status_code == 200
        own = {**NAVIGATION, "sec-fetch-site": "same-origin", "origin": up.facts["url"]}
        page = person.ask("POST", "/", data={"text": f"{MARKUP}"}, headers=own)
        assert page.status_code == 403
        assert re.search(r'<dd id="rule">[A-Z][a-z ]+</dd>', page.text), page.text
        assert '<dd id="where">ARGS:text</dd>' in page.text
        programs = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}
        told = person.ask("POST", "/", json={"text": MARKUP}, headers=programs).json()
        assert told["error"] == "request-stopped"
        assert told["rule"]
        assert told["where"].startswith("ARGS:")
    finally:
        person.close()


def test_a_page_is_no_place_for_the_attackers_words(up: Up) -> None:
    person = Person(up)
    try:
        person.sign_in("ann")
        own = {**NAVIGATION, "sec-fetch-site": "same-origin", "origin": up.facts["url"]}
        page = person.ask("POST", "/", data={f"a{MARKUP}": MARKUP}, headers=own)
        assert page.status_code == 403
        assert "<script" not in page.text
    finally:
        person.close()


def test_explain_says_rules_match_score_and_who_demanded_them(up: Up) -> None:
    told = explained(up, ask(up, "open", params={"word": "sesame"}))
    for words in ("decided by", "waf", "77", "The word", "ARGS:word", "demanded by: gateway main"):
        assert words in told, told
    stopped = explained(up, ask(up, "open", params={"q": SQL}))
    assert "score" in stopped
    assert "core demanded by: gateway main" in stopped


def test_an_exclusion_holds_where_it_says_and_nowhere_else(up: Up) -> None:
    quoted = {"text": SQL}
    assert ask(up, "quotes", "POST", "/notes/1", data=quoted).status_code == 200
    assert ask(up, "quotes", "POST", "/other", data=quoted).status_code == 403
    assert ask(up, "quotes", "POST", "/notes/1", data={"title": SQL}).status_code == 403
    assert ask(up, "quotes", "POST", "/notes/1", data={"text": MARKUP}).status_code == 403
    assert ask(up, "open", "POST", "/notes/1", data=quoted).status_code == 403
    refused = ask(up, "quotes", "POST", "/notes/1", data={"title": SQL})
    assert "ARGS:text by route quotes: notes quote SQL" in explained(up, refused)


def test_a_shadow_stops_nothing_and_tells_all(up: Up) -> None:
    answer = ask(up, "shadow", params={"q": SQL}, headers={"x-crs-test": "shadow-1"})
    assert answer.status_code == 200
    found = line(up, "shadow.jsonl", "shadow-1")
    assert (found["action"], found["mode"], found["code"]) == ("flagged", "shadow", 200)
    assert found["rules"]
    assert found["request"]
    # It holds what people sent: nobody but the proxy's own user reads it.
    assert (up.state.parent / "shadow.jsonl").stat().st_mode & 0o777 == 0o600
    assert "flagged (mode shadow)" in explained(up, answer)


def test_each_inspected_request_has_its_line(up: Up) -> None:
    ask(up, "open", path="/a?q=b", headers={"x-crs-test": "plain-1"})
    found = line(up, "waf.jsonl", "plain-1")
    assert (found["action"], found["rules"], found["score"]) == ("passed", [], 0)
    host = f"open.apps.localhost:{up.https}"
    assert (found["host"], found["method"], found["path"]) == (host, "GET", "/a")
    assert found["route"].startswith("default/default/open@")
    assert found["request"] is None
    stopped = ask(up, "open", params={"word": "sesame"}, headers={"x-crs-test": "stopped-1"})
    found = line(up, "waf.jsonl", "stopped-1")
    assert (found["action"], found["code"], found["rules"]) == ("blocked", 403, [77])
    assert found["decision"] == stopped.headers["x-ostiary-decision"]
    assert any("The word" in str(one) for one in found["messages"])


def test_without_a_name_of_its_own_a_request_has_the_decision_for_one(up: Up) -> None:
    decision = ask(up, "open").headers["x-ostiary-decision"]
    assert line(up, "waf.jsonl", decision)["decision"] == decision


def test_a_body_is_looked_into_whole_or_refused(up: Up) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    whole = b"text=" + b"a" * (1024 - 5)
    assert ask(up, "small", "POST", content=whole, headers=form).status_code == 200
    refused = ask(up, "small", "POST", content=whole + b"a", headers=form)
    assert refused.status_code == 413
    assert "longer than this route takes" in refused.text
    assert "waf.body_limit" in explained(up, refused)
    long = b"text=" + b"a" * 120_000
    assert ask(up, "open", "POST", content=long, headers=form).status_code == 200
    late = long + b"&q=" + MARKUP.encode()
    assert ask(up, "open", "POST", content=late, headers=form).status_code == 403
    chunks = iter([whole, b"a"])
    assert ask(up, "small", "POST", content=chunks, headers=form).status_code == 413


def test_the_sign_in_host_is_looked_into_but_not_what_people_type(up: Up) -> None:
    assert ask(up, "login", path=f"/sign-in?to={MARKUP}").status_code == 403
    person = Person(up)
    try:
        page = person.sign_in("ann", SQL)
        assert page.status_code != 403
        assert "This request was stopped" not in page.text
        assert not any(SQL[:12] in json.dumps(one) for one in lines(up, "waf.jsonl"))
    finally:
        person.close()


def test_effective_shows_what_holds(up: Up) -> None:
    shown = json.loads(up.cli("effective", "quotes", "--json").stdout)
    held = shown["blocks"]["waf"]
    assert list(held["rules"]) == ["core", str(up.state.parent / "rules")]
    assert held["exclude"][0]["because"] == "notes quote SQL"
    assert shown["origins"]["waf.exclude[0]"] == "route quotes"


def test_rules_change_and_no_connection_is_cut(tmp_path: Path, app: str) -> None:
    file, port = site(tmp_path, app)
    own = tmp_path / "rules/own.conf"
    with (
        running_up(tmp_path / "state", [file], https=port) as up,
        contextlib.closing(loopback_client(up.facts["ca"])) as client,
    ):

        def code(word: str) -> int:
            url = f"https://open.apps.localhost:{port}/"
            return client.get(url, params={"word": word}).status_code

        assert (code("sesame"), code("lentil")) == (403, 200)
        connections = list(client._transport._pool.connections)  # type: ignore[attr-defined]
        own.write_text(RULE.format(word="lentil"))
        until(lambda: (code("sesame"), code("lentil")) == (200, 403))
        own.write_text("SecRule ARGS\n")
        until(lambda: up.red() == ["rules.broken"])
        assert (code("sesame"), code("lentil")) == (200, 403)
        assert f"{own}:1:" in up.said()
        own.write_text(RULE.format(word="sesame"))
        until(lambda: code("sesame") == 403)
        assert up.red() == []
        assert list(client._transport._pool.connections) == connections  # type: ignore[attr-defined]


def test_a_restart_with_broken_rules_goes_on_with_those_of_before(tmp_path: Path, app: str) -> None:
    file, port = site(tmp_path, app)
    with running_up(tmp_path / "state", [file], https=port) as up:
        until(lambda: up.status()["revision"]["number"] == 1)
    (tmp_path / "rules/own.conf").write_text("SecRule ARGS\n")
    with running_up(tmp_path / "state", [file], https=port) as up:
        assert up.red() == ["rules.broken"]
        assert ask(up, "open", params={"word": "sesame"}).status_code == 403
        assert ask(up, "open").status_code == 200


def test_an_exclusion_that_is_over_is_told_at_a_save_and_does_not_keep_us_from_starting(
    tmp_path: Path, app: str
) -> None:
    file, port = site(tmp_path, app)
    over = file.read_text() + "          until: 2026-01-31\n"
    file.write_text(over)
    with running_up(tmp_path / "state", [file], https=port) as up:
        assert ask(up, "quotes", "POST", "/notes/1", data={"text": SQL}).status_code == 403
        assert any("was over on 2026-01-31" in one for one in up.status()["warnings"])
        checked = subprocess.run([str(OSTIARY), "check", str(file)], check=False, timeout=60)
        assert checked.returncode == 1
        file.write_text(over + "\n# saved again\n")
        until(lambda: up.red() == ["plan.waf-over"])


def test_what_strangers_may_cost_stands_on_the_gateway_and_changes_live(
    tmp_path: Path, app: str
) -> None:
    file, port = site(tmp_path, app)
    wide = file.read_text()
    narrow = wide.replace("log: waf.jsonl }", f"log: waf.jsonl, {STRANGERS} }}", 1)
    assert narrow != wide
    with (
        running_up(tmp_path / "state", [file], https=port) as up,
        contextlib.closing(loopback_client(up.facts["ca"])) as client,
    ):

        def ask_once(number: int = 0) -> httpx.Response:
            text = f"{number} {SENTENCE}" * 40
            return client.get(f"https://open.apps.localhost:{port}/", params={"text": text})

        def code() -> int:
            return max(ask_once(number).status_code for number in range(4))

        assert {code() for _ in range(20)} == {200}
        connections = list(client._transport._pool.connections)  # type: ignore[attr-defined]
        file.write_text(narrow)
        until(lambda: code() == 503)
        refused = next(one for one in map(ask_once, range(99)) if one.status_code == 503)
        assert "`waf.strangers`" in explained(up, refused)
        file.write_text(wide)
        until(lambda: {code() for _ in range(5)} == {200})
        assert list(client._transport._pool.connections) == connections  # type: ignore[attr-defined]
        shown = json.loads(up.cli("effective", "open", "--json").stdout)
        assert shown["blocks"]["waf"]["strangers"] == {"budget": "100ms", "burst": "500ms"}
