"""Each folder of `examples/`, served by the real Envoy, keeps what its first lines promise."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browserless import Person
from up_process import Up, echo, free_ports, running_up

from ostiary.app.check import check

EXAMPLES = Path(__file__).parents[2] / "examples"
FOLDERS = sorted(folder for folder in EXAMPLES.iterdir() if folder.is_dir())
PORTS = ("8443", "8080", "15443")
pytestmark = pytest.mark.envoy


def name(folder: Path) -> str:
    return folder.name


@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_an_example_is_sound_and_listed(folder: Path) -> None:
    assert check((folder,)) == ((), ())
    assert f"[{folder.name}]({folder.name})" in (EXAMPLES / "README.md").read_text()


@pytest.fixture
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Up]:
    """The example of this name, on free ports, with an application that answers what it hears."""
    ports = dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
    documents = tmp_path / "documents"
    documents.mkdir()
    with echo() as application:
        for file in (EXAMPLES / request.param).glob("*.yaml"):
            text = re.sub(r"127\.0\.0\.1:900\d", application, file.read_text())
            for written, port in ports.items():
                text = text.replace(f"port: {written}", f"port: {port}")
            (documents / file.name).write_text(text)
        with running_up(tmp_path / "state", [documents], https=int(ports["8443"])) as up:
            yield up


def visit(up: Up, account: str, host: str, method: str = "GET", path: str = "/") -> int:
    """What a person who has signed in gets."""
    up.host = host
    person = Person(up)
    try:
        code = person.sign_in(account, url="/").status_code
        origin = {"origin": up.url, "sec-fetch-site": "same-origin"}
        return code if method == "GET" else person.ask(method, path, headers=origin).status_code
    finally:
        person.close()


@pytest.mark.parametrize("served", ["several-applications"], indirect=True)
def test_each_application_says_what_its_people_may_do(served: Up) -> None:
    served.add_user("ann", "staff")
    served.add_user("gil", "guests")
    wiki, payroll = "wiki.apps.localhost", "payroll.apps.localhost"
    assert visit(served, "gil", wiki) == 200
    assert visit(served, "gil", wiki, "POST") == 403
    assert visit(served, "ann", wiki, "POST") == 200
    assert visit(served, "ann", payroll) == 200
    assert visit(served, "gil", payroll) == 403


@pytest.mark.parametrize("served", ["mini-gateway"], indirect=True)
def test_the_resource_decides_again(served: Up) -> None:
    served.add_user("ann", "staff")
    served.add_user("eve", "editors")
    assert visit(served, "ann", "notes.localhost") == 200
    assert visit(served, "ann", "notes.localhost", "POST") == 403
    assert visit(served, "eve", "notes.localhost", "POST") == 200


@pytest.mark.parametrize("served", ["public-and-private"], indirect=True)
def test_each_door_of_one_host(served: Up) -> None:
    served.host = "shop.localhost"
    stranger = Person(served)
    answers = [stranger.ask("GET", path) for path in ("/", "/catalogue/1", "/api/x", "/admin/")]
    stranger.close()
    assert [answer.status_code for answer in answers] == [200, 200, 401, 401]
    assert answers[0].text == "welcome\n"
