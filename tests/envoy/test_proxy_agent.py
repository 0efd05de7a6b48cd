"""The agent with a real Envoy: it joins, renews, and nothing of it survives it."""

import asyncio
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import agent_parts as parts
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from ostiary.authority.issuer import Authority, Lifetimes
from ostiary.certs import issue
from ostiary.certs.csr import build_csr
from ostiary.certs.issue import Request
from ostiary.certs.pair import Pair
from ostiary.certs.validity import starting
from ostiary.errors import Refused
from ostiary.proxy.events import Died, Live
from ostiary.proxy.folder import BOOTSTRAP, IDENTITY
from ostiary.proxy.ports import free_port

pytestmark = pytest.mark.envoy


async def test_a_token_makes_a_proxy_that_only_our_workloads_reach(tmp_path: Path) -> None:
    port = free_port()
    async with parts.control_plane(tmp_path / "control") as control:
        control.show(parts.view(port, "hello"))
        async with parts.agent(tmp_path / "proxy", control, port) as agent:
            live = await agent.told(Live)
            mine = parts.svid_of(control.authority)
            await parts.until(port, mine, tmp_path, "hello")
            await asyncio.to_thread(_refusals, port, control.authority, tmp_path)
            _modes(tmp_path / "proxy")
        assert parts.gone(live.pid)
        assert not (tmp_path / "proxy" / "control.sock").exists()


def _refusals(port: int, authority: Authority, folder: Path) -> None:
    """No certificate, another authority's, and one our root signed for a foreign domain."""
    line = parts.Line(port, parts.svid_of(authority), folder)
    assert (line.get(), line.version) == ("hello", "TLSv1.3")
    line.close()
    foreign = parts.open_authority(folder / "foreign")
    key = ec.generate_private_key(ec.SECP256R1())
    request = Request(key.public_key(), 5, starting(authority.now(), timedelta(hours=1)))
    leaf = issue.svid(authority.workloads, request, "spiffe://evil.example/x")
    misnamed = Pair(issue.pem(leaf), issue.key_pem(key), leaf)
    for pair in (None, parts.svid_of(foreign), misnamed):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            parts.ask(port, pair, folder)
    foreign.store._database.close()  # type: ignore[attr-defined]


def _modes(folder: Path) -> None:
    assert folder.stat().st_mode & 0o777 == 0o700
    for file in (IDENTITY, BOOTSTRAP, "sds/svid.json", "envoy.log", "spare/stamp.json"):
        assert (folder / file).stat().st_mode & 0o777 == 0o600, file
    assert (folder / ".gitignore").read_text() == "*\n"


async def test_renewal_reaches_a_live_envoy_and_drops_no_connection(tmp_path: Path) -> None:
    port = free_port()
    short = Lifetimes(svid=timedelta(seconds=6))
    async with parts.control_plane(tmp_path / "control", short) as control:
        control.show(parts.view(port, "hello"))
        async with parts.agent(tmp_path / "proxy", control, port) as agent:
            live = await agent.told(Live)
            mine = parts.svid_of(control.authority)
            await parts.until(port, mine, tmp_path, "hello")
            old = await asyncio.to_thread(parts.Line, port, mine, tmp_path)
            first = (tmp_path / "proxy" / IDENTITY).read_bytes()
            key = await asyncio.to_thread(_next_key, port, control.authority, tmp_path, old)
            assert key != old.leaf.public_key()
            assert await asyncio.to_thread(old.get) == "hello"
            assert (tmp_path / "proxy" / IDENTITY).read_bytes() != first
            assert not parts.gone(live.pid)
            assert [event for event in agent.events if isinstance(event, Died)] == []
            old.close()


def _next_key(port: int, authority: Authority, folder: Path, old: parts.Line) -> object:
    """The public key of the next certificate that new connections see."""
    while True:
        new = parts.Line(port, parts.svid_of(authority), folder)
        try:
            assert (old.get(), new.get()) == ("hello", "hello")
            if new.leaf.serial_number != old.leaf.serial_number:
                return new.leaf.public_key()
        finally:
            new.close()


async def test_a_dead_envoy_is_started_again(tmp_path: Path) -> None:
    port = free_port()
    async with parts.control_plane(tmp_path / "control") as control:
        control.show(parts.view(port, "hello"))
        async with parts.agent(tmp_path / "proxy", control, port) as agent:
            live = await agent.told(Live)
            os.kill(live.pid, signal.SIGKILL)
            died = await agent.told(Died)
            assert died.status == -signal.SIGKILL
            again = await agent.told(Live, times=2)
            assert again.pid != live.pid
            await parts.until(port, parts.svid_of(control.authority), tmp_path, "hello")


async def test_a_restarted_agent_needs_no_token(tmp_path: Path) -> None:
    port = free_port()
    async with parts.control_plane(tmp_path / "control") as control:
        control.show(parts.view(port, "hello"))
        async with parts.agent(tmp_path / "proxy", control, port) as agent:
            await agent.told(Live)
        async with parts.agent(tmp_path / "proxy", control, port, token=False) as agent:
            await agent.told(Live)


async def test_a_killed_agent_leaves_no_envoy(tmp_path: Path) -> None:
    port = free_port()
    async with parts.control_plane(tmp_path / "control") as control:
        control.show(parts.view(port, "hello"))
        arguments = {
            "folder": str(tmp_path / "proxy"),
            "enrolment": control.enrolment_port,
            "control": control.control_port,
            "bundle": control.authority.bundle.decode(),
            "token": control.authority.new_token(parts.ME),
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(Path(parts.__file__)),
            json.dumps(arguments),
            stdout=subprocess.PIPE,
        )
        assert process.stdout
        async with asyncio.timeout(20):
            pid = int(await process.stdout.readline())
        assert not parts.gone(pid)
        process.kill()
        await process.wait()
        async with asyncio.timeout(5):
            while not parts.gone(pid):  # noqa: ASYNC110
                await asyncio.sleep(0.02)


async def test_a_port_that_another_envoy_holds_is_refused(tmp_path: Path) -> None:
    port = free_port()
    async with parts.control_plane(tmp_path / "control") as control:
        control.show(parts.view(port, "hello"))
        async with parts.agent(tmp_path / "proxy", control, port) as agent:
            await agent.told(Live)
            await parts.until(port, parts.svid_of(control.authority), tmp_path, "hello")
            # What Envoy itself would do: it shares, without a word.
            with socket.socket() as sharing:
                sharing.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                sharing.bind(("127.0.0.1", port))
            second = parts.settings(tmp_path / "second", control, port, agent.events.append)
            with pytest.raises(Refused) as refused:
                await parts.run_agent(second)
            assert refused.value.code == "port-taken"
            assert not (tmp_path / "second").exists()


async def test_a_bad_token_ends_the_agent_in_words(tmp_path: Path) -> None:
    async with parts.control_plane(tmp_path / "control") as control:
        asked = parts.settings(tmp_path / "proxy", control, free_port(), print)
        control.authority.join(
            token := asked.join_token() or "",
            issue_request(),
        )
        used = replace(asked, join_token=lambda: token)
        with pytest.raises(Refused) as refused:
            await parts.run_agent(used)
        assert refused.value.code == "join-token-used"
        with pytest.raises(Refused) as refused:
            await parts.run_agent(replace(asked, join_token=lambda: None))
        assert refused.value.code == "join-token-missing"


def issue_request() -> bytes:
    return build_csr(ec.generate_private_key(ec.SECP256R1()), parts.ME)
