"""`respond`: answer at the gateway, with no service behind."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from ostiary.features.fragment import Block, Fragment, Merge, Site
from ostiary.protos.messages import core, route


class Respond(Block):
    """A fixed answer. It stands in the place of `to`; `access` and `login` hold all the same."""

    feature: ClassVar[str] = "respond"
    status: Annotated[int, Field(ge=200, le=599), Merge.OWN] = 200
    body: Annotated[str, Field(max_length=4096), Merge.OWN] = ""
    content_type: Annotated[str, Field(pattern=r"^[\x20-\x7e]+$"), Merge.OWN] = (
        "text/plain; charset=utf-8"
    )

    def fragment(self, site: Site) -> Fragment:  # noqa: ARG002  the same on every route
        """A direct response; filters above it have run, so only who may gets it."""
        kind = core.HeaderValue(key="content-type", value=self.content_type.replace("%", "%%"))
        return Fragment(
            route=route.Route(
                direct_response=route.DirectResponseAction(
                    status=self.status, body=core.DataSource(inline_string=self.body)
                ),
                response_headers_to_add=[
                    core.HeaderValueOption(
                        header=kind, append_action=core.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
                    )
                ],
            )
        )
