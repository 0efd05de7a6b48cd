"""A knock on the control plane's door: `login` wrote verdicts, and wants to know who enforces them.

One JSON line each way over a unix socket in the state directory, which is nobody else's. What was
written is durable without it; whoever knocks in vain learns so at once. Fed by `login`'s process;
feeds `hub`.
"""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from ostiary.errors import OstiaryError, Refused, Unreachable
from ostiary.verdicts.ports import Receipt

_LONGEST: Final = 1 << 20
"""Bytes of a line; a receipt names every proxy."""
_PATIENCE: Final = 1.0
"""Seconds in which all guards should say that they enforce it."""
_SLACK: Final = 1.0
"""Seconds more for the conversation itself."""
Ask = Callable[[int], Awaitable[Receipt]]


async def answer_pokes(path: Path, ask: Ask) -> None:
    """Whoever knocks at `path` with a number hears what `ask` says of it; until cancelled."""
    await asyncio.to_thread(_make_room, path)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_PATIENCE + _SLACK):
                writer.write(await _answer(await reader.readline(), ask))
                await writer.drain()
        except (ValueError, KeyError, TypeError, OSError, TimeoutError):
            pass  # whoever knocks wrongly gets no answer
        finally:
            writer.close()

    fresh = path.with_name(path.name + ".new")
    await asyncio.to_thread(_make_room, fresh)
    with _short(fresh) as address:
        server = await asyncio.start_unix_server(serve, address, limit=_LONGEST)
    await asyncio.to_thread(_publish, fresh, path)
    try:
        async with server:
            await server.serve_forever()
    finally:
        _make_room(path)


async def poke(path: Path, seq: int) -> Receipt:
    """Every connected guard enforces `seq`, or is named; `Unreachable` without a control plane."""
    try:
        async with asyncio.timeout(_PATIENCE + _SLACK):
            with _short(path) as address:
                reader, writer = await asyncio.open_unix_connection(address, limit=_LONGEST)
            try:
                writer.write(json.dumps({"seq": seq}).encode() + b"\n")
                said = json.loads(await reader.readline())
            finally:
                writer.close()
        if "trouble" in said:
            raise _away(said["trouble"])
        return _receipt(said)
    except (OSError, TimeoutError, ValueError, KeyError, TypeError) as error:
        raise _away(str(error) or "no answer in time") from error


async def _answer(line: bytes, ask: Ask) -> bytes:
    try:
        receipt = await ask(int(json.loads(line)["seq"]))
    except OstiaryError as error:
        said: dict[str, Any] = {"trouble": str(error)}
    else:
        said = {
            "seq": receipt.seq,
            "enforced": receipt.enforced,
            "missing": receipt.missing,
            "seconds": receipt.seconds,
        }
    return json.dumps(said).encode() + b"\n"


def _receipt(said: Any) -> Receipt:
    enforced, missing = (tuple(map(str, said[name])) for name in ("enforced", "missing"))
    return Receipt(int(said["seq"]), enforced, missing, float(said["seconds"]))


def _away(why: str) -> Unreachable:
    return Unreachable(
        "control-plane-away",
        f"the control plane did not answer: {why}",
        "the verdict is stored; the proxies get it once the control plane is back",
    )


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """Another name of `path`, good in this process: a socket's may have 107 bytes only."""
    handle = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{handle}/{path.name}"
    finally:
        os.close(handle)


def _make_room(path: Path) -> None:
    """Nothing is at `path`; what is no socket is left alone."""
    if not path.exists():
        return
    if not stat.S_ISSOCK(path.lstat().st_mode):
        raise Refused("socket-taken", f"{path} is there and is no socket", "move it away")
    path.unlink()


def _publish(fresh: Path, path: Path) -> None:
    """The socket is at `path`, and was never there for others to open."""
    fresh.chmod(0o600)
    fresh.rename(path)
