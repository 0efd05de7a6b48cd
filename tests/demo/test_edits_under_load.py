"""A thousand edits while people use the routes: nobody ever gets a wrong answer."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from loopback import loopback_client
from up_process import Up, echo, free_ports, running_up, until

pytestmark = pytest.mark.envoy
EDITS = 1000
ROUTES = 12
"""Routes that are edited in turn; six more are left alone."""
ALLOWED, DENIED = "access: public", "access: [{ allow: { users: [nobody] } }]\n    login: true"


def _route(name: str, access: str, to: str = "app") -> str:
    return f"""routes:
  {name}:
    host: "*.apps.localhost"
    path: /{name}/*
    to: {to}
    {access}
"""


def _lay_out(folder: Path, https: int, app: str) -> None:
    folder.mkdir()
    (folder / "gateway.yaml").write_text(
        f"""gateway:
  https: {{ port: {https}, address: 127.0.0.1, hosts: ["*.apps.localhost"] }}
identity: {{ providers: {{ local: {{}} }} }}
services:
  app: {{ at: ["{app}"] }}
"""
    )
    for number in range(3):
        (folder / f"open{number}.yaml").write_text(_route(f"open{number}", ALLOWED))
        (folder / f"shut{number}.yaml").write_text(_route(f"shut{number}", DENIED))
    for number in range(ROUTES):
        (folder / f"edited{number}.yaml").write_text(_route(f"edited{number}", DENIED))


@dataclass
class Load:
    """Threads that ask all the time and count what they get by path."""

    up: Up
    answers: Counter[tuple[str, int | str]] = field(default_factory=Counter)
    stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self, threads: int = 4) -> Iterator[None]:
        running = [threading.Thread(target=self._ask, args=(n,)) for n in range(threads)]
        for thread in running:
            thread.start()
        try:
            yield
        finally:
            self.stop.set()
            for thread in running:
                thread.join(20)

    def _ask(self, number: int) -> None:
        paths = ["open0", "shut0", "open1", "shut1", "open2", "shut2", f"edited{number}"]
        with closing(loopback_client(self.up.facts["ca"])) as client:
            while not self.stop.is_set():
                for path in paths:
                    self.answers[path, _answer(client, self.up, path)] += 1
                time.sleep(0.01)


def _answer(client: httpx.Client, up: Up, path: str) -> int | str:
    try:
        return client.get(f"{up.url}/{path}/x").status_code
    except httpx.TransportError as error:
        return type(error).__name__


def test_a_thousand_edits_give_no_wrong_answer(tmp_path: Path) -> None:
    https, documents = free_ports(1)[0], tmp_path / "documents"
    with echo() as app:
        _lay_out(documents, https, app)
        with running_up(
            tmp_path / "state", [documents], https=https, host="a.apps.localhost"
        ) as up:
            load = Load(up)
            with load.running():
                for edit in range(EDITS):
                    _edit(documents, edit)
                    time.sleep(0.012)
            _is_as_written(up, documents)
            assert up.red() == []
    wrong = {
        (path, answer): count
        for (path, answer), count in load.answers.items()
        if answer not in ({200} if path[:4] == "open" else {401} if path[:4] == "shut" else _EITHER)
    }
    assert not wrong
    assert load.answers["open0", 200] > 100
    assert {answer for path, answer in load.answers if path.startswith("edited")} == _EITHER


_EITHER = {200, 401}


def _edit(documents: Path, edit: int) -> None:
    """One route changes sides: half of the saves rename, half write in place."""
    number, opens = edit % ROUTES, (edit // ROUTES) % 2 == 0
    file = documents / f"edited{number}.yaml"
    text = _route(f"edited{number}", ALLOWED if opens else DENIED)
    if edit % 2:
        file.write_text(text)
    else:
        fresh = documents / ".fresh"
        fresh.write_text(text)
        fresh.rename(file)


def _is_as_written(up: Up, documents: Path) -> None:
    """The newest save of every route is served within two seconds."""
    with closing(loopback_client(up.facts["ca"])) as client:
        for number in range(ROUTES):
            name = f"edited{number}"
            wanted = 200 if "public" in (documents / f"{name}.yaml").read_text() else 401
            until(lambda n=name, w=wanted: _answer(client, up, n) == w, 2, name)  # type: ignore[misc]
