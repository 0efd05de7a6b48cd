"""`limits`: how much one address or one user may ask for, in native local buckets."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ostiary.features.fragment import Block


class Limit(Block):
    """One bucket per key: `rate: 100/m, per: user`."""

    feature: ClassVar[str] = "limits"
    rate: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,8}/[smh]$")]
    """Requests per second, minute or hour; also the burst unless `burst` says otherwise."""
    per: Literal["address", "user"] = "address"
    burst: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None


class Limits(Block):
    """All limits of one route: what `plan` makes of every level's list. Nobody writes it."""

    feature: ClassVar[str] = "limits"
    buckets: list[Limit]
