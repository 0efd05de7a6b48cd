"""The agent's identity against a real authority: no Envoy needed."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import agent_parts as parts
import pytest

from ostiary.authority.issuer import Lifetimes
from ostiary.certs.pair import Pair
from ostiary.errors import Refused
from ostiary.proxy.control import ControlPlane
from ostiary.proxy.folder import Folder
from ostiary.proxy.identity import Identity, JoinToken
from ostiary.proxy.ports import free_port


class Place:
    """A folder and the ways to the control plane."""

    def __init__(self, folder: Path, control: parts.ControlPlane) -> None:
        self.folder = Folder(folder)
        self.control = control
        self.line = self.line_to(control.enrolment_port, control.control_port)

    def line_to(self, enrolment: int, control: int) -> ControlPlane:
        return ControlPlane(
            parts.ME, enrolment=[("127.0.0.1", enrolment)], control=[("127.0.0.1", control)]
        )

    def identity(self, token: JoinToken, bundle: bytes | None = None) -> Identity:
        pinned = bundle or self.control.authority.bundle
        return Identity(self.folder, parts.ME, self.line, pinned, token)

    async def token(self) -> str | None:
        return await asyncio.to_thread(self.control.authority.new_token, parts.ME)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    short = Lifetimes(svid=timedelta(seconds=2))
    async with parts.control_plane(tmp_path / "control", short) as control:
        control.show(parts.view(1, "any"))
        made = Place(tmp_path / "proxy", control)
        yield made
        await made.line.close()
        made.folder.close()


def in_sds(place: Place, name: str) -> str:
    (secret,) = json.loads(place.folder.read(f"sds/{name}.json") or b"")["resources"]
    return json.dumps(secret)


def serial(pair: Pair) -> int:
    return pair.leaf.serial_number


async def test_join_writes_what_envoy_reads_and_renew_replaces_key_and_certificate(
    place: Place,
) -> None:
    identity = place.identity(place.token)
    await identity.ensure()
    first = identity.pair
    assert json.dumps(first.chain.decode())[1:-1] in in_sds(place, "svid")
    assert json.dumps(identity.bundle.decode())[1:-1] in in_sds(place, "bundle")
    await identity.renew()
    assert serial(identity.pair) != serial(first)
    assert identity.pair.key != first.key
    assert json.dumps(identity.pair.key.decode())[1:-1] in in_sds(place, "svid")
    again = place.identity(lambda: None)
    await again.ensure()
    assert serial(again.pair) == serial(identity.pair)


async def test_a_certificate_that_ran_out_is_replaced_with_a_new_token(place: Place) -> None:
    identity = place.identity(place.token)
    await identity.ensure()
    first = identity.pair
    await place.control.stop()
    loop = asyncio.create_task(identity.run())
    await asyncio.sleep(3.1)  # the whole life of the certificate, with nobody to renew it
    assert serial(identity.pair) == serial(first)
    await place.control.start()
    async with asyncio.timeout(10):
        while serial(identity.pair) == serial(first):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)


async def test_a_bundle_of_another_authority_means_another_identity(
    place: Place, tmp_path: Path
) -> None:
    await place.identity(place.token).ensure()
    other = parts.open_authority(tmp_path / "other")
    with pytest.raises(Refused) as refused:
        await place.identity(lambda: None, other.bundle).ensure()
    assert refused.value.code == "join-token-missing"
    other.store._database.close()  # type: ignore[attr-defined]


async def test_a_token_is_never_sent_to_a_server_that_is_not_pinned(
    place: Place, tmp_path: Path
) -> None:
    other = parts.open_authority(tmp_path / "other")
    identity = place.identity(place.token, other.bundle)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await identity.ensure()
    other.store._database.close()  # type: ignore[attr-defined]


async def test_it_waits_for_a_control_plane_and_takes_the_replica_that_answers(
    place: Place,
) -> None:
    dead = free_port()
    ports = [("127.0.0.1", dead), ("127.0.0.1", place.control.enrolment_port)]
    place.line = ControlPlane(parts.ME, enrolment=ports, control=ports)
    identity = place.identity(place.token)
    async with asyncio.timeout(10):
        await identity.ensure()
    assert identity.pair.spiffe_id == parts.ME
