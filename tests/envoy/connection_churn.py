"""Many short connections, cut at any moment of theirs by verdicts fired at random.

`python tests/envoy/connection_churn.py 100000 tcp` runs it long, `tls`, `edge` and `mini` likewise;
the tests run it short.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
import tempfile
import threading
import time
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path

from connection_rig import Connections, connection_rig
from guard_control import Held

SUBJECTS = 48
CLIENTS = 24
STUCK = 10.0
"""Seconds in which every subject is denied often: what is still open then, a verdict has missed."""
_SWAP_EVERY = 1.5
_DENIED = b"HTTP/1.1 403 "
_HEAD = b"GET /%s HTTP/1.1\r\nHost: app.test\r\n\r\n"


@dataclass
class Churned:
    """How it went."""

    passed: int = 0
    """Connections that got what they asked for, or left before at a random moment."""
    cut: int = 0
    """Ended by the guard in the middle."""
    refused: int = 0
    """Ended by the guard before a byte came."""
    lost: int = 0
    """Still there though a verdict came."""
    changes: int = 0
    swaps: int = 0


def churn(rig: Connections, connections: int, kind: str) -> Churned:
    """Every connection is over when this returns, and the guard has forgotten them all."""
    told, tls = Churned(), kind in ("tls", "mini")
    with storm(rig, told, tls=tls):
        asyncio.run(_all(rig, told, connections, kind, tls=tls))
    forgotten(rig)
    return told


@contextlib.contextmanager
def storm(rig: Connections, told: Churned, *, tls: bool = False) -> Iterator[None]:
    """Verdicts about every subject come and go at random meanwhile, and listeners are swapped."""
    done = threading.Event()
    threads = [
        threading.Thread(target=_change, args=(rig, told, done), kwargs={"tls": tls}, daemon=True),
        threading.Thread(target=_swap, args=(rig, told, done), daemon=True),
    ]
    for one in threads:
        one.start()
    try:
        yield
    finally:
        done.set()
        for one in threads:
            one.join()


def forgotten(rig: Connections) -> None:
    """The guard holds nothing of what was open, and nothing in it has failed."""
    rig.until(connections=0, streams=0)
    assert rig.envoy.process.poll() is None, rig.envoy.log[-4000:]
    assert "panicked" not in rig.envoy.log, rig.envoy.log[-4000:]


def dice_of(seed: int) -> random.Random:
    """The same numbers for the same `seed`."""
    return random.Random(seed)  # noqa: S311  no secret: a run can be run again


def subject_name(number: int, *, tls: bool) -> str:
    """Whom the verdicts are about."""
    return f"spiffe://test/churn/{number}" if tls else f"127.11.0.{number + 1}"


def _change(rig: Connections, told: Churned, done: threading.Event, *, tls: bool) -> None:
    kind = "WORKLOAD" if tls else "ADDRESS"
    dice = dice_of(1)
    held: dict[int, Held] = {}
    while not done.is_set():
        some = dice.sample(range(SUBJECTS), dice.randint(1, 8))
        lifted = [held.pop(one) for one in some if one in held]
        put = {
            one: Held(kind, subject_name(one, tls=tls)) for one in some[: len(some) - len(lifted)]
        }
        held |= put
        if not tls and dice.random() < 0.02:
            wide = Held(kind, "127.11.0.0/24")
            rig.control.put(wide)
            rig.control.lift(wide)
        if put:
            rig.control.put(*put.values())
        if lifted:
            rig.control.lift(*lifted)
        told.changes += len(put) + len(lifted)
        time.sleep(dice.random() * 0.004)
    if held:
        rig.control.lift(*held.values())


def _swap(rig: Connections, told: Churned, done: threading.Event) -> None:
    while not done.wait(_SWAP_EVERY):
        rig.swap()
        told.swaps += 1


async def _all(rig: Connections, told: Churned, connections: int, kind: str, *, tls: bool) -> None:
    left = iter(range(connections))
    contexts = [rig.identity(subject_name(one, tls=True)) for one in range(SUBJECTS)] if tls else []

    async def client(dice: random.Random) -> None:
        for _ in left:
            subject = dice.randrange(SUBJECTS)
            own = None if tls else (subject_name(subject, tls=False), 0)
            context = contexts[subject] if tls else None
            opening = asyncio.open_connection(
                "127.0.0.1", rig.ports[kind], ssl=context, local_addr=own
            )
            await _one(opening, told, dice)

    async with asyncio.TaskGroup() as group:
        for number in range(CLIENTS):
            group.create_task(client(dice_of(number)))


_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _one(
    opening: Coroutine[None, None, _Streams], told: Churned, dice: random.Random
) -> None:
    """Leaves at once, asks something, listens until it is cut, or is idle until then."""
    what = dice.randrange(4)
    came = b""
    try:
        reader, writer = await opening
    except OSError:
        told.refused += 1
        return
    try:
        if what == 0:
            await asyncio.sleep(dice.expovariate(1000))
            told.passed += 1
            return
        writer.write(_HEAD % (b"sse" if what == 1 else b"echo"))
        async with asyncio.timeout(STUCK):
            while piece := await reader.read(65_536):
                came += piece
                if what == 2 and (came.endswith(b"}") or came.startswith(_DENIED)):
                    told.passed += 1
                    return
        _count(told, came)
    except TimeoutError:
        told.lost += 1
    except OSError:
        _count(told, came)
    finally:
        if dice.random() < 0.5:
            writer.transport.abort()
        writer.close()


def _count(told: Churned, came: bytes) -> None:
    if came:
        told.cut += 1
    else:
        told.refused += 1


def main() -> None:
    """Prints how it went."""
    connections, kind = int(sys.argv[1]), sys.argv[2]
    with tempfile.TemporaryDirectory() as folder, connection_rig(Path(folder), workers=2) as rig:
        start = time.monotonic()
        told = churn(rig, connections, kind)
        sys.stdout.write(f"{connections} of {kind}, {time.monotonic() - start:.0f} s: {told}\n")


if __name__ == "__main__":
    main()
