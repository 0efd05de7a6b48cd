"""The slow path as one filter: its stages stand in the chain only where the rules did not say yes.

The call to `login` costs a proxy microseconds by merely standing there, though hardly any request
needs it. So its filters are made when the answer of the rules is anything but "allowed": what
cannot be compared runs them. They only prepare: `may` enforces behind them whatever happens here,
so a slow path that is left out by mistake ends in "no".

`login` is the last of them. Envoy 1.40 goes on behind the whole chain once a filter in it has
waited for an answer, so `handover` stands behind it and not in it. Fed by `slots`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from google.protobuf.message import Message

from ostiary.features.fragment import Filter, Stage
from ostiary.policy.to_rbac import equals
from ostiary.protos import pack
from ostiary.protos.messages import (
    composite,
    core,
    metadata_match,
    network_inputs,
    xds_core,
    xds_matcher,
)
from ostiary.wire import RBAC_METADATA, SHADOW_RESULT

_CHAIN: Final = "slow"


def slow_path(stages: Iterable[Filter]) -> Filter:
    """`stages` in their order, one filter. A route's own words reach whichever understands them."""
    links = [
        core.TypedExtensionConfig(name=one.name, typed_config=pack(one.config)) for one in stages
    ]
    chain = composite.FilterChainConfiguration(typed_config=links)
    run = composite.ExecuteFilterAction(filter_chain_name=_CHAIN)
    matcher = xds_matcher.Matcher
    rule = matcher.MatcherList.FieldMatcher(
        predicate=matcher.MatcherList.Predicate(not_matcher=_allowed()),
        on_match=matcher.OnMatch(action=_extension(_CHAIN, run)),
    )
    config = composite.Composite(
        named_filter_chains={_CHAIN: chain},
        matcher=matcher(matcher_list=matcher.MatcherList(matchers=[rule])),
    )
    return Filter(Stage.SLOW, Stage.SLOW.slot, config)


def _allowed() -> xds_matcher.Matcher.MatcherList.Predicate:
    """The rules were asked, and let this request pass.

    A predicate and not a map: a map on metadata is loaded without a word and never matches.
    """
    segment = network_inputs.DynamicMetadataInput.PathSegment(key=SHADOW_RESULT)
    answer = network_inputs.DynamicMetadataInput(filter=RBAC_METADATA, path=[segment])
    yes = metadata_match.Metadata(value=equals("allowed"))
    predicate = xds_matcher.Matcher.MatcherList.Predicate
    single = predicate.SinglePredicate(
        input=_extension("answer", answer), custom_match=_extension("allowed", yes)
    )
    return predicate(single_predicate=single)


def _extension(name: str, config: Message) -> xds_core.TypedExtensionConfig:
    return xds_core.TypedExtensionConfig(name=name, typed_config=pack(config))
