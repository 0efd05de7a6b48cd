"""Which features stand in the listener's filter chain, and which of them every route asks.

The list is the only place that names them all; their order comes from `Stage`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ostiary.compiler.resources import FILTER, Resource, resource
from ostiary.errors import NOWHERE, CompileError, Place
from ostiary.features import cors
from ostiary.features.fragment import Filter, Fragment, ListenerSite, Site
from ostiary.protos import pack
from ostiary.protos.messages import core, hcm

SLOTS: Final[tuple[Callable[[ListenerSite], Filter], ...]] = (cors.slot,)
"""One filter each, present on every HTTPS listener, off except where a route turns it on."""

GUARDS: Final[tuple[Callable[[Site], Fragment], ...]] = ()
"""Asked for every route, whatever blocks it has."""


def filters(listener: ListenerSite) -> tuple[Filter, ...]:
    """Every slot, top to bottom; two configs for one slot are a bug of ours."""
    made: dict[str, Filter] = {}
    for slot in SLOTS:
        one = slot(listener)
        if made.setdefault(one.name, one) != one:
            raise CompileError(f"two features fill the slot {one.name} differently")
    return tuple(sorted(made.values(), key=lambda one: one.stage))


def slot_resource(one: Filter, place: Place = NOWHERE) -> Resource:
    """The ECDS resource that fills the slot."""
    filled = core.TypedExtensionConfig(name=one.name, typed_config=pack(one.config))
    return resource(FILTER, one.name, filled, place)


def edge_replies(listener: ListenerSite) -> hcm.LocalReplyConfig:  # noqa: ARG001
    return hcm.LocalReplyConfig()


def mini_replies() -> hcm.LocalReplyConfig:
    return hcm.LocalReplyConfig()
