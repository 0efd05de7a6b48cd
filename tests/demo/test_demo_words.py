"""What the demo tells a newcomer to do, done to the letter."""

from __future__ import annotations

import re
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browserless import Person
from demo_process import OSTIARY, Demo, running_demo

pytestmark = pytest.mark.envoy


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with running_demo(tmp_path_factory.mktemp("a newcomer's") / "state") as running:
        yield running


@pytest.fixture
def visitor(demo: Demo) -> Iterator[Person]:
    person = Person(demo)
    yield person
    person.close()


def printed(demo: Demo, start: str) -> str:
    """The line of the demo's words that holds `start`."""
    return next(line.strip() for line in demo.said().splitlines() if start in line)


def run(line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S602  the line is printed for a shell
        line, shell=True, capture_output=True, text=True, check=False, timeout=30
    )


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_curl_line_works_as_printed(demo: Demo) -> None:
    done = run(printed(demo, "curl -i") + " -s")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("HTTP/2 401")
    assert "https://login.localhost" in done.stdout


def test_the_explain_line_works_as_printed(demo: Demo, visitor: Person) -> None:
    page = visitor.sign_in("visitor")
    decision = re.search(r'id="decision">([^<]+)<', page.text)
    assert page.status_code == 403
    assert decision
    done = run(printed(demo, " explain ID").replace("ID", decision.group(1), 1))
    assert done.returncode == 0, done.stderr
    assert "editors" in done.stdout


def test_the_change_to_the_document_does_what_is_said(demo: Demo, visitor: Person) -> None:
    document = demo.state / "demo.yaml"
    before = document.read_text()
    service, route = before.split("\nroutes:")
    visitor.sign_in("visitor")
    try:
        opened = route.replace("[editors]", "[editors, visitors]")
        document.write_text(f"{service}\nroutes:{opened}")
        until(lambda: "service notes" in visitor.ask("GET", "/notes").text)
        assert visitor.ask("GET", "/notes").status_code == 403
        document.write_text(before.replace("[editors]", "[editors, visitors]"))
        until(lambda: visitor.ask("GET", "/notes").status_code == 200)
    finally:
        document.write_text(before)
    until(lambda: visitor.ask("GET", "/notes").status_code == 403)


def test_a_second_demo_leaves_the_first_alone(demo: Demo) -> None:
    facts, document = demo.facts, (demo.state / "demo.yaml").read_text()
    second = run(f"{OSTIARY} demo --state {shlex.quote(str(demo.state))}")
    assert second.returncode == 1
    assert "another ostiary runs" in second.stderr
    assert demo.facts == facts
    assert (demo.state / "demo.yaml").read_text() == document


def test_a_state_directory_may_be_deep(tmp_path: Path) -> None:
    deep = tmp_path / ("deep" * 20) / ("deeper" * 10)
    deep.mkdir(parents=True)
    with running_demo(deep / "state") as demo:
        names = {one["name"] for one in demo.facts["processes"]}
        editor = Person(demo)
        assert editor.sign_in("editor").status_code == 200
        editor.close()
    assert {"envoy-gateway-main", "envoy-service-notes"} <= names
