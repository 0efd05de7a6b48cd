"""`trust`: what holds while the guard cannot be sure that it knows the newest verdicts.

The guard keeps enforcing what it knows whatever happens; without this block that is all. A table is
stale when the control plane has not confirmed it for `stale_after`; requests are then refused with
503, or go on where a person says why. What the guard does with a route stands in one JSON text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from ostiary.features.fragment import Block, Fragment, Merge, Site

_MILLISECONDS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}


class Trust(Block):
    """`trust: {stale_after: 60s, then: deny}`. Needs the guard."""

    feature: ClassVar[str] = "trust"
    stale_after: Annotated[str, Field(pattern=r"^[1-9]\d{0,8}(ms|s|m|h)$"), Merge.MIN] = "60s"
    """How long the control plane may be silent; it speaks every two seconds."""
    then: Annotated[Literal["deny", "keep"], Merge.ORDERED] = "deny"
    """`deny` refuses with 503 until it is heard again; `keep` goes on with what is known."""
    because: Annotated[Annotated[str, Field(min_length=1, max_length=200)] | None, Merge.OWN] = (
        Field(default=None)
    )
    """Why `keep` is right here; it cannot stand without a reason."""

    @model_validator(mode="after")
    def _keep_has_a_reason(self) -> Self:
        if self.then == "keep" and not (self.because or "").strip():
            raise ValueError("`then: keep` needs `because`: who reads it later wants to know why")
        return self

    def fragment(self, site: Site) -> Fragment:  # noqa: ARG002  told to the guard by `guard`
        """Nothing of its own: one filter of the guard takes all it must know of a route."""
        return Fragment()

    @property
    def told(self) -> Mapping[str, Any]:
        """What the guard is told."""
        text = self.stale_after
        unit = text.lstrip("0123456789")
        return {
            "stale_after_ms": int(text.removesuffix(unit)) * _MILLISECONDS[unit],
            "then": self.then,
        }
