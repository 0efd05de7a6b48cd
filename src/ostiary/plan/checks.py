"""What is wrong with gateways, providers and sessions, each by itself.

Fed by `study`; the faults of services are found in `roll`, those of routes in `routes`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ostiary.errors import ConfigError
from ostiary.language.document import Document, Noun
from ostiary.plan.credentials import issuer_faults
from ostiary.plan.levels import guard_faults, level_faults
from ostiary.plan.own import session_faults


def noun_faults(document: Document, *, guard: bool) -> Iterator[tuple[Noun[object], ConfigError]]:
    """Every fault that is no route's and no service's, with the noun that has it."""
    for provider in document.providers.values():
        if provider.value.type is None and provider.name != "local":
            sentence = f"{provider} does not say what it is"
            hint = "add `type: local`"
            yield provider, ConfigError("plan.provider-type", sentence, provider.place, hint)
    yield from issuer_faults(document.issuers)
    for gateway in document.gateways.values():
        for fault in level_faults(gateway):
            yield gateway, fault
        for fault in () if guard else guard_faults(gateway):
            yield gateway, fault
    if document.sessions is not None:
        for fault in session_faults(document.sessions):
            yield document.sessions, fault
