"""Serving secrets: rotation of ours, a person's files read again, the last good one kept."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ostiary.authority.issuer import Authority, Lifetimes
from ostiary.authority.serving import ServingSecrets, Wanted
from ostiary.certs.pair import Pair
from ostiary.compiler.resources import SECRET, Resource
from ostiary.errors import Refused
from ostiary.protos.messages import tls
from ostiary.store.authority import AuthorityStore

NAME = "serving/default/default/main/https/0"
HOST = "notes.localhost"


class Heard:
    """Everything that was announced."""

    def __init__(self) -> None:
        self.all: list[Mapping[str, Resource]] = []

    async def __call__(self, secrets: Mapping[str, Resource]) -> None:
        self.all.append(secrets)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def serving(authority: Authority, heard: Heard) -> ServingSecrets:
    return ServingSecrets(authority, heard)


def chain_of(secret: Resource) -> bytes:
    parsed = tls.Secret.FromString(secret.body)
    assert parsed.name == secret.name
    chain: bytes = parsed.tls_certificate.certificate_chain.inline_bytes
    return chain


def put(folder: Path, pair: Pair) -> tuple[str, str]:
    files = (folder / "site.pem", folder / "site.key")
    files[0].write_bytes(pair.chain)
    files[1].write_bytes(pair.key)
    return str(files[0]), str(files[1])


def spoil(file: str, content: bytes | None) -> None:
    if content is None:
        Path(file).unlink()
    else:
        Path(file).write_bytes(content)


def problem(serving: ServingSecrets) -> str:
    error = serving.problems[NAME]
    return str(getattr(error, "code", ""))


async def test_ours_is_announced_and_replaced_at_half_of_its_life(
    serving: ServingSecrets, heard: Heard, clock: Any
) -> None:
    await serving.want({NAME: Wanted((HOST,))})
    assert heard.all[0][NAME].type_url == SECRET
    await serving.refresh()
    assert len(heard.all) == 1
    clock.ahead = timedelta(days=3, hours=13)
    await serving.refresh()
    assert heard.all[1][NAME].version != heard.all[0][NAME].version
    await serving.want({})
    assert heard.all[2] == {}


async def test_other_hosts_get_another_certificate(serving: ServingSecrets, heard: Heard) -> None:
    await serving.want({NAME: Wanted((HOST,))})
    await serving.want({NAME: Wanted((HOST, "more.localhost"))})
    assert heard.all[1][NAME].version != heard.all[0][NAME].version


async def test_changed_files_are_read_again(
    serving: ServingSecrets, authority: Authority, tmp_path: Path, heard: Heard
) -> None:
    first, second = authority.issue_serving([HOST]), authority.issue_serving([HOST])
    wanted = {NAME: Wanted((HOST,), put(tmp_path, first))}
    await serving.want(wanted)
    assert chain_of(serving.secrets[NAME]) == first.chain
    put(tmp_path, second)
    await serving.refresh()
    assert chain_of(serving.secrets[NAME]) == second.chain
    assert len(heard.all) == 2
    assert serving.problems == {}


async def test_a_broken_file_keeps_the_last_good_certificate(
    serving: ServingSecrets, authority: Authority, tmp_path: Path, heard: Heard
) -> None:
    good = authority.issue_serving([HOST])
    files = put(tmp_path, good)
    await serving.want({NAME: Wanted((HOST,), files)})
    spoil(files[0], b"broken")
    await serving.refresh()
    assert problem(serving) == "certificate-broken"
    spoil(files[0], None)
    await serving.refresh()
    assert problem(serving) == "certificate-unreadable"
    spoil(files[0], authority.issue_serving([HOST]).chain)
    await serving.refresh()
    assert problem(serving) == "certificate-key-mismatch"
    assert chain_of(serving.secrets[NAME]) == good.chain
    assert len(heard.all) == 1
    put(tmp_path, good)
    await serving.refresh()
    assert serving.problems == {}


async def test_an_expired_file_is_told_and_never_replaces_a_good_one(
    serving: ServingSecrets, store: AuthorityStore, authority: Authority, tmp_path: Path, clock: Any
) -> None:
    good = authority.issue_serving([HOST])
    files = put(tmp_path, good)
    await serving.want({NAME: Wanted((HOST,), files)})
    short = Authority.open(
        store, "demo.ostiary", lifetimes=Lifetimes(serving=timedelta(minutes=-1))
    )
    put(tmp_path, short.issue_serving([HOST]))
    await serving.refresh()
    assert problem(serving) == "certificate-expired"
    assert chain_of(serving.secrets[NAME]) == good.chain
    put(tmp_path, good)
    await serving.refresh()
    assert serving.problems == {}
    clock.ahead = timedelta(days=8)
    await serving.refresh()
    assert problem(serving) == "certificate-expired"
    assert chain_of(serving.secrets[NAME]) == good.chain


async def test_a_bad_file_at_first_serves_nothing_and_stops_no_other(
    serving: ServingSecrets, tmp_path: Path
) -> None:
    nowhere = (str(tmp_path / "no.pem"), str(tmp_path / "no.key"))
    await serving.want({NAME: Wanted((HOST,), nowhere), "other": Wanted((HOST,))})
    assert set(serving.secrets) == {"other"}
    assert problem(serving) == "certificate-unreadable"


async def test_a_file_for_other_hosts_is_served_and_told(
    serving: ServingSecrets, authority: Authority, tmp_path: Path
) -> None:
    files = put(tmp_path, authority.issue_serving(["other.localhost"]))
    await serving.want({NAME: Wanted((HOST,), files)})
    assert set(serving.secrets) == {NAME}
    assert isinstance(serving.problems[NAME], Refused)
    assert problem(serving) == "certificate-wrong-names"


async def test_the_loop_notices_a_change_by_itself(
    serving: ServingSecrets, authority: Authority, tmp_path: Path
) -> None:
    files = put(tmp_path, authority.issue_serving([HOST]))
    await serving.want({NAME: Wanted((HOST,), files)})
    second = authority.issue_serving([HOST])
    loop = asyncio.create_task(serving.run())
    put(tmp_path, second)
    async with asyncio.timeout(5):
        while chain_of(serving.secrets[NAME]) != second.chain:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)
