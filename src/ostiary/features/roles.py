"""How Envoy is told to use the guard: one shared library, one role a filter, JSON in.

The library is found by its name in the folder that the proxy's agent names to Envoy, so that a
configuration is the same on every machine. Its table lives as long as the process: it is never
unloaded, or a swap of filters would forget every verdict.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from ostiary.protos import pack
from ostiary.protos.messages import (
    core,
    early_module,
    listener,
    module,
    module_filter,
    module_network,
    route,
    wkt,
)

MODULE: Final = "ostiary_guard"
"""`libostiary_guard.so`."""


class Role(StrEnum):
    """What one filter of the guard does."""

    WHO = "who"
    """Verifies the session cookie and looks for verdicts on it and on the address."""
    ADDRESS = "address"
    """Looks for verdicts on the address alone."""
    HANDOVER = "handover"
    """Verifies what `login` handed over, and cleans cookies both ways."""
    ASSERTION = "assertion"
    """At a mini gateway: verifies the assertion and looks for verdicts on it and on the peer."""
    VERDICTS = "verdicts"
    """In the bootstrap: holds the stream of verdicts, and answers how the guard is."""
    WAF_HEAD = "waf_head"
    """Looks at heads and answers for attacks; holds the rule sets."""
    WAF_BODY = "waf_body"
    """Looks at the bodies of requests for attacks."""
    CONNECTION = "connection"
    """Below HTTP: closes the connections of a denied workload or address."""
    SCOPE = "scope"
    """Writes the scope of a request's host before anything reads the request."""


def library() -> module.DynamicModuleConfig:
    """The library, kept loaded."""
    return module.DynamicModuleConfig(name=MODULE, do_not_close=True)


def filling(role: Role, config: Mapping[str, Any]) -> module_filter.DynamicModuleFilter:
    """The filter in this role, for all routes."""
    return module_filter.DynamicModuleFilter(
        dynamic_module_config=library(), filter_name=role, filter_config=_text(config)
    )


def on_route(role: Role, config: Mapping[str, Any]) -> route.FilterConfig:
    """What the filter in this role must know of one route; it turns the filter on there."""
    told = module_filter.DynamicModuleFilterPerRoute(
        dynamic_module_config=library(), filter_name=role, filter_config=_text(config)
    )
    return route.FilterConfig(config=pack(told))


def early(role: Role, config: Mapping[str, Any]) -> core.TypedExtensionConfig:
    """A header mutation before the route is chosen."""
    mutation = early_module.DynamicModuleEarlyHeaderMutation(
        dynamic_module_config=library(),
        early_header_mutation_name=role,
        early_header_mutation_config=_text(config),
    )
    return core.TypedExtensionConfig(name=f"ostiary.{role}", typed_config=pack(mutation))


def connection(*, refuse: bool) -> listener.Filter:
    """Stands before what serves requests, where the other end's address is the client's own.

    `refuse`: who is denied gets no connection at all, instead of an answer in words.
    """
    told = {"carries": "http", "address": True, "refuse": refuse}
    made = module_network.DynamicModuleNetworkFilter(
        dynamic_module_config=library(), filter_name=Role.CONNECTION, filter_config=_text(told)
    )
    return listener.Filter(name=f"ostiary.{Role.CONNECTION}", typed_config=pack(made))


def _text(config: Mapping[str, Any]) -> wkt.Any:
    """Equal configurations are equal bytes."""
    text = json.dumps(config, sort_keys=True, separators=(",", ":"))
    return pack(wkt.StringValue(value=text))
