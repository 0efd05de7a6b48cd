"""`security_headers`: the response headers that tell browsers to be careful."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ostiary.features.fragment import Block, Merge


class SecurityHeaders(Block):
    """On by default on every route; `off` leaves the application's own header alone."""

    feature: ClassVar[str] = "security_headers"
    hsts: Annotated[int | Literal["off"], Merge.MAX] = "off"
    """`Strict-Transport-Security: max-age=<n>`; refused while the certificate is our own."""
    nosniff: Annotated[bool, Merge.MAX] = True
    """`X-Content-Type-Options: nosniff`."""
    frame: Annotated[Literal["deny", "same-origin", "off"], Merge.OWN] = "same-origin"
    """`X-Frame-Options`, and nothing else: a `Content-Security-Policy` is the application's."""
    referrer: Annotated[str, Merge.OWN] = "strict-origin-when-cross-origin"
    content_security_policy: Annotated[str | None, Merge.OWN] = None
    permissions_policy: Annotated[str | None, Merge.OWN] = Field(default=None)
