"""`headers`: change request and response headers on the way through."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from ostiary.features.fragment import Block, Merge


class HeaderChange(Block):
    """`set` replaces, `add` appends, `remove` takes away; never one of ours."""

    feature: ClassVar[str] = "headers"
    set: Annotated[dict[str, str], Merge.OWN] = Field(default={})
    add: Annotated[dict[str, str], Merge.OWN] = Field(default={})
    remove: Annotated[list[str], Merge.UNION] = Field(default=[])


class Headers(Block):
    """Changes in each direction."""

    feature: ClassVar[str] = "headers"
    request: Annotated[HeaderChange, Merge.OWN] = HeaderChange()
    response: Annotated[HeaderChange, Merge.OWN] = HeaderChange()
