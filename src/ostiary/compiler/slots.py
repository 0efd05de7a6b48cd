"""Which features stand in the listener's filter chain, and which of them every route asks.

The lists are the only place that names them all; the order of filters comes from `Stage`. Fed by
`features`; feeds `edge` and `routes`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ostiary.compiler.resources import FILTER, Resource, resource
from ostiary.compiler.slow_path import slow_path
from ostiary.errors import NOWHERE, CompileError, Place
from ostiary.features import (
    access,
    cors,
    cross_site,
    forms,
    gate,
    guard,
    hygiene,
    limits,
    login,
    sessions,
    waf,
)
from ostiary.features.fragment import Filter, Fragment, ListenerSite, Site
from ostiary.protos import pack
from ostiary.protos.messages import core

SLOTS: Final[tuple[Callable[[ListenerSite], tuple[Filter, ...]], ...]] = (
    access.slots,
    cors.slots,
    forms.slots,
    gate.slots,
    guard.slots,
    hygiene.slots,
    limits.slots,
    login.slots,
    sessions.slots,
    waf.slots,
)
"""Filters present on every HTTPS listener, off except where a route turns them on."""

GUARDS: Final[tuple[Callable[[Site], Fragment], ...]] = (
    access.fragment,
    cross_site.fragment,
    gate.fragment,
    guard.fragment,
    hygiene.fragment,
    login.fragment,
    sessions.fragment,
)
"""Asked for every route that a person wrote, whatever blocks it has."""

OWN_GUARDS: Final[tuple[Callable[[Site], Fragment], ...]] = (
    cross_site.fragment,
    forms.fragment,
    guard.own_pages,
    limits.own_pages,
    waf.own_pages,
)
"""Asked for the routes of ours, whose pages `login` guards by itself."""


def filters(listener: ListenerSite) -> tuple[Filter, ...]:
    """Every slot, top to bottom; two configs for one slot are a bug of ours."""
    made: dict[str, Filter] = {}
    for slots in SLOTS:
        for one in slots(listener):
            if made.setdefault(one.name, one) != one:
                raise CompileError(f"two features fill the slot {one.name} differently")
    chain = sorted(made.values(), key=lambda one: one.stage)
    folded = [one for one in chain if not one.stage.slow]
    folded.append(slow_path(one for one in chain if one.stage.slow))
    return tuple(sorted(folded, key=lambda one: one.stage))


def slot_resource(one: Filter, place: Place = NOWHERE) -> Resource:
    """The ECDS resource that fills the slot."""
    filled = core.TypedExtensionConfig(name=one.name, typed_config=pack(one.config))
    return resource(FILTER, one.name, filled, place)
