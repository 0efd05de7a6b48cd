"""A whole installation whose store is Postgres: a verdict written by another process is enforced.

With the wheel of the guard the receipt names the proxies; without it nobody is connected.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import pytest
from up_process import Up, free_ports, running_up, until

from ostiary.errors import Unreachable
from ostiary.store.database import Database
from ostiary.store.verdicts import Verdicts
from ostiary.trust.verdict import Effect, Kind, Verdict
from ostiary.verdicts.poke import poke
from ostiary.verdicts.ports import Receipt

sys.path.append(str(Path(__file__).parents[1] / "unit"))
import servers

pytestmark = pytest.mark.envoy
GUARD = find_spec("ostiary_guard") is not None


@contextmanager
def site(folder: Path, *options: str) -> Iterator[Up]:
    (port,) = free_ports(1)
    document = folder / "gateway.yaml"
    document.write_text(
        f"gateway: {{https: {{port: {port}, address: 127.0.0.1, hosts: [a.localhost]}}}}\n"
        "routes: {a: {host: a.localhost, access: public, respond: {body: hello}}}\n"
    )
    with running_up(folder / "state", [document], *options, https=port, host="a.localhost") as up:
        yield up


def put(database: Database, key: str) -> int:
    one = Verdict(uuid4(), Kind.USER, key, Effect.DENY, "left", "tests", 1_800_000_000.0)
    return Verdicts(database).put([one], "ada", "she left", 1_800_000_000.0)


def knock(up: Up, seq: int) -> Receipt:
    return asyncio.run(poke(up.state / "verdicts.sock", seq))


def test_a_verdict_from_another_process_is_enforced_and_survives(tmp_path: Path) -> None:
    with site(tmp_path) as up:
        database = Database.in_folder(up.state)
        until(lambda: not up.red(), 20, "never green")
        seq = put(database, "ada")
        receipt = knock(up, seq)
        assert receipt.seq == seq
        assert len(receipt.enforced) == (1 if GUARD else 0), (receipt, up.logs())
        assert receipt.missing == ()
        assert receipt.seconds < 1
        assert (up.state / "verdicts.sock").stat().st_mode & 0o777 == 0o600
    with pytest.raises(Unreachable):
        knock(up, seq)
    seq = put(database, "bob")  # durable, though nobody listens
    database.close()
    with site(tmp_path) as up:
        if GUARD:
            until(lambda: knock(up, seq).enforced, 20, "the guard never came")
        assert not (up.state / "verdicts.sock.new").exists()


def test_an_installation_may_keep_everything_in_postgres(tmp_path: Path) -> None:
    programs, valkey = servers.postgres_programs(), servers.valkey_program()
    if programs is None or valkey is None:
        pytest.skip("NO POSTGRES OR VALKEY HERE: up --store was not tested")
    with servers.postgres(programs) as fresh, servers.valkey(valkey) as fanout:
        url = fresh()
        with site(tmp_path, "--store", url, "--fanout", fanout) as up:
            assert not (up.state / "ostiary.db").exists()
            up.add_user("ada", "staff")
            until(lambda: not up.red(), 20, "never green")
            database = Database(url)
            receipt = knock(up, put(database, "ada"))
            assert len(receipt.enforced) == (1 if GUARD else 0), (receipt, up.logs())
            database.close()
            command = Path(f"/proc/{up.process.pid}/cmdline").read_bytes()
            assert b"postgresql" not in command  # a password might be in it
