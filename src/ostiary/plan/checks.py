"""What is wrong with gateways, services, providers and sessions, each by itself and together.

Fed by `study`; the faults of routes are found in `routes`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ostiary.errors import ConfigError
from ostiary.language.document import Document, Noun
from ostiary.plan.levels import level_faults
from ostiary.plan.own import session_faults
from ostiary.plan.ports import port_faults
from ostiary.plan.services import service_faults


def noun_faults(document: Document) -> Iterator[tuple[Noun[object], ConfigError]]:
    """Every fault that is no route's, with the noun that has it."""
    for provider in document.providers.values():
        if provider.value.type is None and provider.name != "local":
            sentence = f"{provider} does not say what it is"
            hint = "add `type: local`"
            yield provider, ConfigError("plan.provider-type", sentence, provider.place, hint)
    for noun in document.services.values():
        for fault in service_faults(noun, document.gateways):
            yield noun, fault
    for above in (*document.gateways.values(), *document.services.values()):
        for fault in level_faults(above):
            yield above, fault
    if document.sessions is not None:
        for fault in session_faults(document.sessions):
            yield document.sessions, fault
    yield from port_faults(document)
