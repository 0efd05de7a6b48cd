"""`limits`: how much one address or one user may ask for, in native local buckets.

A bucket belongs to one key on one route of one proxy; it refills steadily. The longest unused
buckets go when there are too many, so an unlimited number of addresses costs limited memory.

Two limits are ours and always on, with one set of buckets for all routes of a listener: what one
address may ask of our own pages, and what one account may ask of the slow path. Both stand before
Python, which a person needs seldom.
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
from ostiary.wire import (
    JWT_METADATA,
    MACHINE_KEY,
    RBAC_METADATA,
    SESSION_KEY,
    SHADOW_RESULT,
    STALE_KEY,
    USER_KEY,
    WHO_METADATA,
)

Per = Literal["address", "user"]
_Actions = Sequence[route.RateLimit.Action]
MOST_BUCKETS: Final = 10_000
"""Buckets of one limit that are remembered at a time."""
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600}
_EVERYTHING: Final = 100
_UNBOUNDED: Final = (1 << 32) - 1
_ADDRESS_BITS: Final = (32, 64)
"""One IPv4 address; one IPv6 network as a site gets it, for a host has 2**64 addresses."""
_OWN_PAGES: Final = (20, 200)
"""Requests a second and at once of one address: a whole office signs in from one."""
_SLOW_PATH: Final = (20, 60)
"""Of one account: a page's worth of requests whose token has just expired. Fewer at once than
`login` takes, so that nobody can make it look away and live on `offline_grace` instead."""
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

    def fragment(self, site: Site) -> Fragment:
        """Per address before anything costs; per user for those who may. 429 beyond."""
        kinds: tuple[Per, ...] = ("address", "user")
        chosen = {per: [one for one in self.limits if one.per == per] for per in kinds}
        return Fragment(
            per_route={
                _STAGES[per].slot: _buckets(per, limits, guard=site.guard)
                for per, limits in chosen.items()
                if limits
            }
        )


def slots(listener: ListenerSite) -> tuple[Filter, ...]:
    """All filters: those of a person's `limits` count nothing without a route's buckets."""
    theirs = [
        Filter(stage, stage.slot, local_ratelimit.LocalRateLimit(stat_prefix=per))
        for per, stage in _STAGES.items()
    ]
    rate, burst = _OWN_PAGES
    pages = _buckets("address", [Limit(rate=f"{rate}/s", burst=burst)])
    return (
        *theirs,
        Filter(Stage.PAGES, Stage.PAGES.slot, pages),
        Filter(Stage.TURNS, Stage.TURNS.slot, _turns(guard=listener.guard)),
    )


def own_pages(site: Site) -> Fragment:  # noqa: ARG001  asked for routes of ours only
    """What one address may ask of our own pages on all hosts together: the listener's buckets."""
    on = route.FilterConfig(config=wkt.Any())
    return Fragment(per_route={Stage.PAGES.slot: on})


def _turns(*, guard: bool) -> local_ratelimit.LocalRateLimit:
    """Counts by user name what the rules denied, be the token valid or expired, on all routes.

    The claim stands first: where there is no such token, nothing more is looked up.
    """
    keys = (SESSION_KEY, STALE_KEY, *((MACHINE_KEY,) if guard else ()))
    entry = ratelimit.RateLimitDescriptor.Entry
    rate, burst = _SLOW_PATH
    return _config(
        "turns",
        [
            [
                _claim(key, JWT_METADATA, key, "sub"),
                _claim("slow", RBAC_METADATA, SHADOW_RESULT),
            ]
            for key in keys
        ],
        [
            ratelimit.LocalRateLimitDescriptor(
                entries=[entry(key=key), entry(key="slow", value="denied")],
                token_bucket=_bucket(burst, rate, 1),
            )
            for key in keys
        ],
    )


def _buckets(
    per: Per, limits: Sequence[Limit], *, guard: bool = False
) -> local_ratelimit.LocalRateLimit:
    return _config(
        per,
        [_keys(per, place, guard=guard) for place, _ in enumerate(limits)],
        [_descriptor(per, place, one) for place, one in enumerate(limits)],
    )


def _config(
    prefix: str,
    keys: Sequence[_Actions],
    descriptors: Sequence[ratelimit.LocalRateLimitDescriptor],
) -> local_ratelimit.LocalRateLimit:
    """Buckets for `descriptors` only: what has no key of theirs is not counted."""
    always = core.RuntimeFractionalPercent(
        default_value=types.FractionalPercent(numerator=_EVERYTHING)
    )
    return local_ratelimit.LocalRateLimit(
        stat_prefix=prefix,
        filter_enabled=always,
        filter_enforced=always,
        token_bucket=_bucket(_UNBOUNDED, _UNBOUNDED, 1),
        always_consume_default_token_bucket=wkt.BoolValue(value=False),
        rate_limits=[route.RateLimit(actions=actions) for actions in keys],
        descriptors=descriptors,
        max_dynamic_descriptors=wkt.UInt32Value(value=MOST_BUCKETS),
        rate_limited_as_resource_exhausted=True,
        enable_retry_after_header=True,
    )


def _keys(per: Per, place: int, *, guard: bool) -> _Actions:
    """The key of the limit at `place`: its number and who asks. Without a user, no key.

    The guard says the user's name beside the claims, which are not always there.
    """
    action = route.RateLimit.Action
    number = action(generic_key=action.GenericKey(descriptor_value=str(place)))
    v4, v6 = (wkt.UInt32Value(value=bits) for bits in _ADDRESS_BITS)
    address = action.MaskedRemoteAddress(v4_prefix_mask_len=v4, v6_prefix_mask_len=v6)
    if per == "address":
        return [number, action(masked_remote_address=address)]
    if guard:
        return [number, _claim("user", WHO_METADATA, USER_KEY)]
    return [number, _claim("user", JWT_METADATA, SESSION_KEY, "sub")]


def _claim(name: str, place: str, *path: str) -> route.RateLimit.Action:
    """The entry `name` with what stands at `path`; no key at all where nothing does."""
    action = route.RateLimit.Action
    segments = [metadata_type.MetadataKey.PathSegment(key=one) for one in path]
    found = action.MetaData(
        descriptor_key=name,
        metadata_key=metadata_type.MetadataKey(key=place, path=segments),
        source=action.MetaData.Source.DYNAMIC,
    )
    return action(metadata=found)


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
