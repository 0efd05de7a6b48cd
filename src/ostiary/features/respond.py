"""`respond`: answer at the gateway, with no service behind."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from ostiary.features.fragment import Block, Merge


class Respond(Block):
    """A fixed answer. It stands in the place of `to`; `access` and `login` hold all the same."""

    feature: ClassVar[str] = "respond"
    status: Annotated[int, Field(ge=200, le=599), Merge.OWN] = 200
    body: Annotated[str, Field(max_length=4096), Merge.OWN] = ""
    content_type: Annotated[str, Merge.OWN] = "text/plain; charset=utf-8"
