"""What hangs in the air: blocks on a gateway or service that no route passes.

A block attached to nothing is an error, never a shrug: somebody believes it protects something.
"""

from __future__ import annotations

from collections.abc import Iterator

from ostiary.errors import ConfigError
from ostiary.language.document import Document, Noun
from ostiary.language.written import Levelled
from ostiary.plan.tally import Tally

_BLOCKS = tuple(Levelled.model_fields)


def _turned_away(document: Document, tally: Tally) -> Iterator[str]:
    """Gateways with routes to a service whose mini gateway does not take their calls."""
    for gateway, key in sorted(tally.calls):
        service = document.services[key.name]
        mini = service.value.mini_gateway
        if mini is not None and mini.callers is not None and gateway.name not in mini.callers:
            place = service.at("mini_gateway", "callers")
            yield f"{place}: {service} refuses gateway {gateway}, which has routes to it"


def unattached(document: Document, tally: Tally) -> tuple[list[ConfigError], list[str]]:
    """Faults for blocks that hold for nothing, warnings for gateways and services without use."""
    gateways = {gateway.name for gateway in tally.gateways}
    services = {service.name for _, service in tally.calls}
    idle: list[Noun[Levelled]] = [
        n for name, n in document.gateways.items() if name not in gateways
    ]
    idle += [n for name, n in document.services.items() if name not in services]
    faults: list[ConfigError] = []
    warnings = list(_turned_away(document, tally))
    for noun in idle:
        block = next((key for key in _BLOCKS if getattr(noun.value, key) is not None), None)
        if block is None:
            warnings.append(f"{noun.place}: no route passes {noun}")
            continue
        faults.append(
            ConfigError(
                "plan.unattached",
                f"{noun}: `{block}` holds for nothing, because no route passes {noun}",
                noun.at(block),
                "add a route, or take the block away",
            )
        )
    return faults, warnings
