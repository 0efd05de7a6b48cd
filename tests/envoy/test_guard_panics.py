"""A fault of the guard itself refuses; it never lets anybody pass (real Envoy).

The build of this test has the feature `provoked-panics`; what is installed and shipped has not.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import guard_library
import pytest
from guard_clients import Plain, close_all
from guard_control import Held
from guard_rig import Rig, fresh_address, rig

pytestmark = pytest.mark.envoy
GUARD = Path(__file__).parents[2] / "guard"
WORD = b"x-provoke-panic"


@pytest.fixture(scope="module")
def library() -> Path:
    """The folder of a build that panics when it is asked to."""
    cargo = shutil.which("cargo") or shutil.which("cargo", path=Path.home() / ".cargo/bin")
    if cargo is None or guard_library.folder() is None:
        pytest.skip("NO CARGO: a panic inside Envoy was not tested")
    target = GUARD / "target"
    command = [cargo, "build", "--quiet", "--locked", "-p", "ostiary-guard-module"]
    command += ["--features", "provoked-panics", "--target-dir", str(target)]
    subprocess.run(command, cwd=GUARD, check=True, timeout=600)
    return target / "debug"


@pytest.fixture(scope="module")
def guard(tmp_path_factory: pytest.TempPathFactory, library: Path) -> Iterator[Rig]:
    with rig(tmp_path_factory.mktemp("panics"), library=library) as made:
        yield made


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    close_all()


def ask(guard: Rig, path: str, hook: str = "", address: str = "") -> Plain:
    headers = [f"X-Provoke-Panic: {hook}"] if hook else []
    return Plain(guard.ports["open"], address or fresh_address()).ask(path, *headers)


def test_no_build_that_is_installed_can_be_made_to_panic() -> None:
    guard_library.needed()
    folder = guard_library.folder()
    assert folder is not None
    installed = (folder / "libostiary_guard.so").read_bytes()
    assert b"ostiary.guard_failed" in installed
    assert WORD not in installed


@pytest.mark.parametrize("hook", ["request_headers", "response_headers"])
def test_a_request_is_refused_and_the_next_one_served(guard: Rig, hook: str) -> None:
    path = f"/echo?{hook}"
    refused = ask(guard, path, hook).answer()
    assert refused.status == 500
    assert b"set-cookie" not in refused.raw
    assert guard.logged(path)["details"] == "ostiary.guard_failed"
    assert ask(guard, "/echo").head().status == 200
    assert f"{hook} panicked" in guard.envoy.log


def test_grpc_never_reads_it_as_ok(guard: Rig) -> None:
    channel: Any
    with grpc.insecure_channel(f"127.0.0.1:{guard.ports['open']}") as channel:
        for hook in ("request_headers", "response_headers"):
            metadata = (("x-provoke-panic", hook),)
            with pytest.raises(grpc.RpcError) as refused:
                channel.unary_unary("/test.T/Echo")(b"x", metadata=metadata, timeout=5)
            assert refused.value.code() is grpc.StatusCode.INTERNAL


def test_an_answer_under_way_breaks_off(guard: Rig) -> None:
    broken = ask(guard, "/bytes", "response_body")
    broken.until_closed()
    assert not broken.raw.endswith(b"0\r\n\r\n")


def test_a_stream_that_should_end_politely_ends_all_the_same(guard: Rig) -> None:
    address = fresh_address()
    client = ask(guard, "/sse", "scheduled", address).until(b"data: x")
    guard.control.put(Held("ADDRESS", address))
    client.until_closed()
    assert b"revoked" not in client.raw
    assert ask(guard, "/echo", address=address).head().status == 403


def test_a_message_that_makes_it_panic_costs_no_verdict(guard: Rig) -> None:
    """It was applied in part or not at all: the line is opened again, and everything told again."""
    kept, after = Held("ADDRESS", fresh_address()), Held("ADDRESS", fresh_address())
    guard.control.put(kept)
    hellos = len(guard.control.hellos)
    held = Held("ADDRESS", fresh_address(), reason="provoke-panic")
    with pytest.raises(AssertionError, match="never got to"):
        guard.control.put(held)
    assert len(guard.control.hellos) > hellos
    assert ask(guard, "/echo", address=kept.key).head().status == 403
    guard.control.lift(held)
    guard.control.put(after)
    assert ask(guard, "/echo", address=after.key).head().status == 403
    assert ask(guard, "/echo", address=held.key).head().status == 200
    assert guard.envoy.process.poll() is None
