"""A knock on the control plane's door: `login` wrote verdicts, and wants to know who enforces them.

One JSON line each way over a unix socket in the state directory, which is nobody else's. What was
written is durable without it; whoever knocks in vain learns so at once. Fed by `login`'s process;
feeds `hub`.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Final

from ostiary.errors import Unreachable
from ostiary.verdicts.hub import Hub, Receipt

_LONGEST: Final = 64 << 10
_PATIENCE: Final = 2.0
"""Seconds for the whole conversation; the hub itself waits for one."""


async def answer_pokes(path: Path, hub: Hub) -> None:
    """Serves until cancelled."""
    await asyncio.to_thread(path.unlink, missing_ok=True)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            wanted = int(json.loads(await reader.readline())["seq"])
            await hub.push()
            receipt = await hub.settled(wanted)
            said = {
                "seq": receipt.seq,
                "enforced": receipt.enforced,
                "missing": receipt.missing,
                "seconds": receipt.seconds,
            }
            writer.write(json.dumps(said).encode() + b"\n")
            await writer.drain()
        except (ValueError, KeyError, TypeError, ConnectionError):
            pass  # whoever knocks wrongly gets no answer
        finally:
            writer.close()

    server = await asyncio.start_unix_server(serve, path, limit=_LONGEST)
    await asyncio.to_thread(path.chmod, 0o600)
    async with server:
        await server.serve_forever()


async def poke(path: Path, seq: int) -> Receipt:
    """Every connected guard enforces `seq`, or is named; `Unreachable` without a control plane."""
    try:
        async with asyncio.timeout(_PATIENCE):
            reader, writer = await asyncio.open_unix_connection(path, limit=_LONGEST)
            try:
                writer.write(json.dumps({"seq": seq}).encode() + b"\n")
                said = json.loads(await reader.readline())
            finally:
                writer.close()
        return Receipt(
            said["seq"], tuple(said["enforced"]), tuple(said["missing"]), said["seconds"]
        )
    except (OSError, TimeoutError, ValueError, KeyError) as error:
        raise Unreachable(
            "control-plane-away",
            f"the control plane did not answer: {str(error) or 'no answer in time'}",
            "the verdict is stored; the proxies get it once the control plane is back",
        ) from error
