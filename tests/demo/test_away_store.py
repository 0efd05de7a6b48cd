"""A store that vanishes under a running installation: what was denied stays denied, in words."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest
from loopback import loopback_client
from up_process import Up, free_ports, running_up, until

sys.path.append(str(Path(__file__).parents[1] / "unit"))
import servers

pytestmark = [
    pytest.mark.envoy,
    pytest.mark.skipif(find_spec("ostiary_guard") is None, reason="NO GUARD"),
]


@dataclass
class Store:
    """How the store of one installation goes away and comes back."""

    options: tuple[str, ...]
    vanish: Callable[[Path], object]
    come_back: Callable[[Path], object]


_PARTS = ("ostiary.db", "ostiary.db-wal", "ostiary.db-shm")


def _away(state: Path) -> None:
    """All files of the store lie elsewhere."""
    for name in _PARTS:
        (state / name).rename(state / f"elsewhere-{name}")


def _back(state: Path) -> None:
    for name in _PARTS:
        (state / f"elsewhere-{name}").rename(state / name)


def _garbage(state: Path) -> None:
    """Another file in its place, which is no database."""
    _away(state)
    (state / _PARTS[0]).write_bytes(b"nothing that SQLite knows" * 500)


@pytest.fixture(params=["moved away", "replaced by garbage", "postgres stopped"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    match request.param:
        case "moved away":
            yield Store((), _away, _back)
        case "replaced by garbage":
            yield Store((), _garbage, _back)
        case _:
            programs = servers.postgres_programs()
            if programs is None:
                pytest.skip("NO POSTGRES HERE: a server that stops was not tested")
            with servers.postgres(programs) as server:
                options = ("--store", server())
                yield Store(options, lambda _at: server.stop(), lambda _at: server.start())


@contextmanager
def site(folder: Path, store: Store) -> Iterator[Up]:
    (port,) = free_ports(1)
    document = folder / "gateway.yaml"
    document.write_text(
        f"gateway: {{https: {{port: {port}, address: 127.0.0.1, hosts: [a.localhost]}}}}\n"
        "routes: {a: {host: a.localhost, access: public, respond: {body: hello}}}\n"
    )
    options = store.options
    with running_up(folder / "state", [document], *options, https=port, host="a.localhost") as up:
        until(lambda: not up.red(), 20, "never green")
        yield up


def asked(up: Up) -> int:
    """What a new connection is answered."""
    with contextlib.closing(loopback_client(up.facts["ca"])) as client:
        return client.get(up.facts["url"]).status_code


def _red(up: Up) -> set[str]:
    """The codes of what is red, said without the store."""
    said = up.cli("status", "--json", check=False)
    assert said.stdout, said.stderr + up.logs()
    return {one["code"] for one in json.loads(said.stdout)["red"]}


def test_denies_hold_and_new_verdicts_are_refused_in_words(tmp_path: Path, store: Store) -> None:
    with site(tmp_path, store) as up:
        assert asked(up) == 200
        up.cli("verdict", "put", "address", "127.0.0.1", "--reason", "scanner")
        assert asked(up) == 403
        store.vanish(up.state)
        refused = up.cli("verdict", "put", "user", "ada", "--unknown-user", check=False)
        assert refused.returncode != 0
        assert "the store did not answer" in refused.stderr
        until(lambda: {"store-unreachable", "verdicts-unread"} <= _red(up), 10)
        for _ in range(5):
            assert asked(up) == 403
        lifted = up.cli("verdict", "lift", "address", "127.0.0.1", check=False)
        assert lifted.returncode != 0
        assert asked(up) == 403
        store.come_back(up.state)
        until(lambda: not _red(up), 20, "never green again")
        assert asked(up) == 403
        listed = up.cli("verdict", "list").stdout
        assert "127.0.0.1" in listed
        assert "ada" not in listed
        up.cli("verdict", "lift", "address", "127.0.0.1")
        assert asked(up) == 200
