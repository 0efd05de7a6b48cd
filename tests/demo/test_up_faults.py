"""Documents that are wrong, at the first start, at a restart and while running."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from loopback import loopback_client
from up_process import Up, echo, end, free_ports, running_up, start_up, until, wait_ready

pytestmark = pytest.mark.envoy


@pytest.fixture(scope="module")
def app() -> Iterator[str]:
    with echo() as address:
        yield address


def base(https: int, app: str) -> str:
    return f"""gateway:
  https: {{ port: {https}, address: 127.0.0.1, hosts: ["*.apps.localhost"] }}
services:
  app: {{ at: ["{app}"] }}
"""


def route(name: str, to: str = "app") -> str:
    return f"routes:\n  {name}: {{ host: {name}.apps.localhost, to: {to}, access: public }}\n"


def asks(up: Up, name: str) -> int:
    with closing(loopback_client(up.facts["ca"])) as client:
        try:
            return client.get(f"https://{name}.apps.localhost:{up.https}/").status_code
        except (httpx.TransportError, OSError):
            return 0


def serves(up: Up, name: str) -> Callable[[], bool]:
    return lambda: asks(up, name) == 200


def test_a_first_start_with_a_faulty_route_denies_only_that(tmp_path: Path, app: str) -> None:
    file, (port,) = tmp_path / "gateway.yaml", free_ports(1)
    two = route("good") + route("bad", to="nowhere").removeprefix("routes:\n")
    file.write_text(base(port, app) + two)
    with running_up(tmp_path / "state", [file], https=port) as up:
        assert asks(up, "good") == 200
        assert asks(up, "bad") == 503
        assert "what is at fault is denied, the rest is served" in up.said()
        assert f"{file}:7:" in up.said()
        assert up.red() == ["plan.unknown-service"]
        file.write_text(base(port, app) + two.replace("nowhere", "app"))
        until(serves(up, "bad"))
        assert up.red() == []


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"routes: [", "yaml.syntax"), (b"\xff\xfe", "yaml.not-utf8"), (b"", "yaml.empty")],
)
def test_a_first_start_that_cannot_be_read(
    tmp_path: Path, app: str, content: bytes, code: str
) -> None:
    file, (port,) = tmp_path / "gateway.yaml", free_ports(1)
    file.write_bytes(content)
    with running_up(tmp_path / "state", [file], https=port, ready=False) as up:
        until(lambda: code in up.said())
        status = up.cli("status", check=False)
        assert status.returncode == 1
        assert "no document has been accepted yet" in status.stderr
        assert code in status.stderr
        file.write_text(base(port, app) + route("good"))
        wait_ready(up)
        assert asks(up, "good") == 200
        assert up.red() == []


def test_a_first_start_with_nothing_to_read(tmp_path: Path, app: str) -> None:
    folder, (port,) = tmp_path / "documents", free_ports(1)
    folder.mkdir()
    with running_up(tmp_path / "state", [folder], https=port, ready=False) as up:
        until(lambda: "file.none" in up.said())
        (folder / "gateway.yaml").write_text(base(port, app) + route("good"))
        wait_ready(up)
        assert asks(up, "good") == 200


def test_a_restart_with_a_faulty_document_serves_what_was_accepted(
    tmp_path: Path, app: str
) -> None:
    file, (port,) = tmp_path / "gateway.yaml", free_ports(1)
    file.write_text(base(port, app) + route("good"))
    with running_up(tmp_path / "state", [file], https=port) as up:
        until(lambda: up.status()["revision"]["number"] == 1)
    file.write_text(base(port, app) + route("good", to="nowhere"))
    with running_up(tmp_path / "state", [file], https=port) as up:
        assert asks(up, "good") == 200
        assert "refused, revision 1 is served" in up.said()
        status = up.status()
        assert [one["code"] for one in status["red"]] == ["plan.unknown-service"]
        assert status["revision"]["number"] == 1
        file.write_text(base(port, app) + route("other"))
        until(serves(up, "other"))
        assert up.red() == []
        until(lambda: up.status()["revision"]["number"] == 2)


def test_files_come_change_and_go(tmp_path: Path, app: str) -> None:
    folder, named, (port,) = tmp_path / "documents", tmp_path / "named.yaml", free_ports(1)
    folder.mkdir()
    named.write_text(base(port, app))
    (folder / "a.yaml").write_text(route("a"))
    (folder / "b.yaml").write_text(route("b"))
    (folder / "notes.txt").write_text("not ours: [")
    with running_up(tmp_path / "state", [named, folder], https=port) as up:
        _vanishes_from_a_folder(up, folder)
        _vanishes_though_named(up, named)
        _is_saved_by_editors(up, folder)
        _cannot_be_read(up, folder)


def _vanishes_from_a_folder(up: Up, folder: Path) -> None:
    """Removed after a second, and the rest goes on."""
    begun = time.monotonic()
    (folder / "b.yaml").unlink()
    until(lambda: asks(up, "b") == 404, 3)
    assert time.monotonic() - begun > 0.9
    assert asks(up, "a") == 200
    assert up.red() == []


def _vanishes_though_named(up: Up, named: Path) -> None:
    """An error; what it said goes on."""
    away = named.with_suffix(".away")
    named.rename(away)
    until(lambda: "file.vanished" in up.said())
    assert up.red() == ["file.vanished"]
    assert asks(up, "a") == 200
    away.rename(named)
    until(lambda: up.red() == [])


def _is_saved_by_editors(up: Up, folder: Path) -> None:
    """Renamed over, written in place in two steps, touched, moved away and back."""
    said = up.said()
    fresh = folder / ".c.yaml.swp"
    fresh.write_text(route("c"))
    fresh.rename(folder / "c.yaml")
    until(serves(up, "c"))
    with (folder / "c.yaml").open("w") as out:
        out.write(route("d")[:30])
        out.flush()
        time.sleep(0.2)
        assert asks(up, "c") == 200
        out.write(route("d")[30:])
    until(serves(up, "d"))
    (folder / "d.yaml").write_text(route("e"))
    backup = folder / "d.yaml~"
    shutil.copy(folder / "d.yaml", backup)
    until(serves(up, "e"))
    (folder / "d.yaml").rename(backup)
    time.sleep(0.3)
    (folder / "d.yaml").write_text(route("f"))
    until(serves(up, "f"))
    (folder / "d.yaml").chmod(0o600)
    os.utime(folder / "d.yaml")
    time.sleep(0.3)
    assert asks(up, "f") == 200
    assert up.said() == said  # none of it was at any moment a fault


def _cannot_be_read(up: Up, folder: Path) -> None:
    """What is no file is refused in words, until it is taken away."""
    os.mkfifo(folder / "g.yaml")
    until(lambda: up.red() == ["file.unreadable"])
    assert asks(up, "a") == 200
    (folder / "g.yaml").unlink()
    until(lambda: up.red() == [])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_folder_is_said(tmp_path: Path, app: str) -> None:
    folder, (port,) = tmp_path / "documents", free_ports(1)
    folder.mkdir()
    (folder / "a.yaml").write_text(base(port, app) + route("a"))
    with running_up(tmp_path / "state", [folder], https=port) as up:
        folder.chmod(0)
        until(lambda: up.red() != [])
        assert asks(up, "a") == 200
        folder.chmod(0o700)
        until(lambda: up.red() == [])


def test_the_trust_domain_stays(tmp_path: Path, app: str) -> None:
    file, (port,) = tmp_path / "gateway.yaml", free_ports(1)
    text = base(port, app) + route("a")
    file.write_text("trust_domain: one.example\n" + text)
    with running_up(tmp_path / "state", [file], https=port) as up:
        file.write_text("trust_domain: two.example\n" + text + route("b")[8:])
        until(lambda: "the trust domain is one.example and cannot become two.example" in up.said())
        assert up.red() == ["trust-domain-changed"]
        assert asks(up, "b") == 404
        file.write_text("trust_domain: one.example\n" + text + route("b")[8:])
        until(serves(up, "b"))
        assert up.red() == []
    file.write_text("trust_domain: two.example\n" + text)
    again = start_up(tmp_path / "state", [file], https=port)
    try:
        until(lambda: "trust-domain" in again.said())
        time.sleep(1)
        assert again.said().count("two.example") == 1  # not at every restart
        file.write_text("trust_domain: one.example\n" + text)
        wait_ready(again)
        assert asks(again, "a") == 200
    finally:
        end(again)
