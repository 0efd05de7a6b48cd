"""`login`: which sign-in a route accepts."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from ostiary.features.fragment import Block, Merge


class Login(Block):
    """`login: {with: [local]}`, or `login: true` for every provider of the document."""

    feature: ClassVar[str] = "login"
    providers: Annotated[list[str] | None, Merge.SUBSET] = Field(default=None, alias="with")
    """Names under `identity.providers`; none written: all of them."""
