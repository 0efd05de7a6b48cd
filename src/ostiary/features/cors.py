"""`cors`: which other origins a browser may let read the answers."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from ostiary.features.fragment import Block, Merge


class Cors(Block):
    """Allowed origins are exact (`https://app.example`); there is no `*` beside credentials."""

    feature: ClassVar[str] = "cors"
    origins: Annotated[list[str], Field(min_length=1), Merge.SUBSET]
    methods: Annotated[list[str], Merge.SUBSET] = ["GET", "HEAD", "POST"]
    headers: Annotated[list[str], Merge.SUBSET] = []
    """Request headers a script may set."""
    expose: Annotated[list[str], Merge.SUBSET] = []
    """Response headers a script may read."""
    credentials: Annotated[bool, Merge.MIN] = False
    max_age: Annotated[int, Field(ge=0, le=86_400), Merge.MIN] = 600
    """Seconds a browser may remember a preflight."""
