"""`limits`: how much one address or one user may ask for, in native local buckets.

A bucket belongs to one key on one route of one proxy; it refills steadily. The longest unused
buckets go when there are too many, so an unlimited number of addresses costs limited memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from ostiary.features.fragment import Block, Filter, Fragment, ListenerSite, Merge, Site, Stage
from ostiary.protos.messages import (
    core,
    local_ratelimit,
    metadata_type,
    ratelimit,
    route,
    types,
    wkt,
)
from ostiary.wire import JWT_METADATA, SESSION_KEY

Per = Literal["address", "user"]
MOST_BUCKETS: Final = 10_000
"""Buckets of one limit that are remembered at a time."""
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600}
_EVERYTHING: Final = 100
_UNBOUNDED: Final = (1 << 32) - 1
_ADDRESS_BITS: Final = (32, 64)
"""One IPv4 address; one IPv6 network as a site gets it, for a host has 2**64 addresses."""
_STAGES: Final[dict[Per, Stage]] = {"address": Stage.SHED, "user": Stage.HOW_MUCH}


class Limit(Block):
    """One bucket per key: `rate: 100/m, per: user`."""

    feature: ClassVar[str] = "limits"
    rate: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,8}/[smh]$")]
    """Requests per second, minute or hour; also the burst unless `burst` says otherwise."""
    per: Per = "address"
    burst: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None


class Limits(Block):
    """Every limit of every level of one route; a request needs room in each of them."""

    feature: ClassVar[str] = "limits"
    limits: Annotated[tuple[Limit, ...], Merge.UNION]

    def fragment(self, site: Site) -> Fragment:  # noqa: ARG002  keys do not depend on the place
        """Per address before anything costs; per user for those who may. 429 beyond."""
        kinds: tuple[Per, ...] = ("address", "user")
        chosen = {per: [one for one in self.limits if one.per == per] for per in kinds}
        return Fragment(
            per_route={
                _STAGES[per].slot: _buckets(per, limits) for per, limits in chosen.items() if limits
            }
        )


def slots(listener: ListenerSite) -> tuple[Filter, ...]:  # noqa: ARG001  rates are the routes' own
    """Both filters; without a route's buckets they count nothing."""
    return tuple(
        Filter(stage, stage.slot, local_ratelimit.LocalRateLimit(stat_prefix=per))
        for per, stage in _STAGES.items()
    )


def _buckets(per: Per, limits: Sequence[Limit]) -> local_ratelimit.LocalRateLimit:
    always = core.RuntimeFractionalPercent(
        default_value=types.FractionalPercent(numerator=_EVERYTHING)
    )
    return local_ratelimit.LocalRateLimit(
        stat_prefix=per,
        filter_enabled=always,
        filter_enforced=always,
        token_bucket=_bucket(_UNBOUNDED, _UNBOUNDED, 1),
        always_consume_default_token_bucket=wkt.BoolValue(value=False),
        rate_limits=[_keys(per, place) for place, _ in enumerate(limits)],
        descriptors=[_descriptor(per, place, one) for place, one in enumerate(limits)],
        max_dynamic_descriptors=wkt.UInt32Value(value=MOST_BUCKETS),
        rate_limited_as_resource_exhausted=True,
        enable_retry_after_header=True,
    )


def _keys(per: Per, place: int) -> route.RateLimit:
    """The key of the limit at `place`: its number and who asks. Without a user, no key."""
    action = route.RateLimit.Action
    number = action(generic_key=action.GenericKey(descriptor_value=str(place)))
    v4, v6 = (wkt.UInt32Value(value=bits) for bits in _ADDRESS_BITS)
    address = action.MaskedRemoteAddress(v4_prefix_mask_len=v4, v6_prefix_mask_len=v6)
    if per == "address":
        return route.RateLimit(actions=[number, action(masked_remote_address=address)])
    segments = [metadata_type.MetadataKey.PathSegment(key=key) for key in (SESSION_KEY, "sub")]
    user = action.MetaData(
        descriptor_key="user",
        metadata_key=metadata_type.MetadataKey(key=JWT_METADATA, path=segments),
        source=action.MetaData.Source.DYNAMIC,
    )
    return route.RateLimit(actions=[number, action(metadata=user)])


def _descriptor(per: Per, place: int, limit: Limit) -> ratelimit.LocalRateLimitDescriptor:
    """An entry without a value makes one bucket for each value that comes."""
    entry = ratelimit.RateLimitDescriptor.Entry
    who = "masked_remote_address" if per == "address" else "user"
    count, _, unit = limit.rate.partition("/")
    amount = int(count)
    return ratelimit.LocalRateLimitDescriptor(
        entries=[entry(key="generic_key", value=str(place)), entry(key=who)],
        token_bucket=_bucket(limit.burst or amount, amount, _SECONDS[unit]),
    )


def _bucket(most: int, refill: int, seconds: int) -> types.TokenBucket:
    return types.TokenBucket(
        max_tokens=most,
        tokens_per_fill=wkt.UInt32Value(value=refill),
        fill_interval=wkt.Duration(seconds=seconds),
    )
