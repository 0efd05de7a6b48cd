"""What hangs in the air: blocks on a gateway or service that no route passes.

A block attached to nothing is an error, never a shrug: somebody believes it protects something.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ostiary.errors import ConfigError
from ostiary.language.document import Noun
from ostiary.language.service import Service
from ostiary.language.written import Levelled
from ostiary.names import Key

_BLOCKS = tuple(Levelled.model_fields)


def unattached(noun: Noun[Levelled]) -> ConfigError | None:
    """The fault of a gateway or service that no route passes, when it has a block."""
    block = next((key for key in _BLOCKS if getattr(noun.value, key) is not None), None)
    if block is None:
        return None
    return ConfigError(
        "plan.unattached",
        f"{noun}: `{block}` holds for nothing, because no route passes {noun}",
        noun.at(block),
        "add a route, or take the block away",
    )


def idle(noun: Noun[Levelled]) -> str:
    """The warning about a gateway or service without blocks that no route passes."""
    return f"{noun.place}: no route passes {noun}"


def turned_away(noun: Noun[Service], callers: Iterable[Key]) -> Iterator[str]:
    """Gateways with routes to a service whose mini gateway does not take their calls."""
    mini = noun.value.mini_gateway
    for gateway in callers:
        if mini is not None and mini.callers is not None and gateway.name not in mini.callers:
            place = noun.at("mini_gateway", "callers")
            yield f"{place}: {noun} refuses gateway {gateway}, which has routes to it"
