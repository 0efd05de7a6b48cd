"""`security_headers`: the response headers that tell browsers to be careful."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ostiary.features.fragment import Block, Fragment, Merge, Site
from ostiary.protos.messages import core, route


class SecurityHeaders(Block):
    """On by default on every route; `off` leaves the application's own header alone."""

    feature: ClassVar[str] = "security_headers"
    hsts: Annotated[Annotated[int, Field(ge=0)] | Literal["off"], Merge.MAX] = "off"
    """`Strict-Transport-Security: max-age=<n>`; refused while the certificate is our own."""
    nosniff: Annotated[bool, Merge.MAX] = True
    """`X-Content-Type-Options: nosniff`."""
    frame: Annotated[Literal["deny", "same-origin", "off"], Merge.OWN] = "same-origin"
    """`X-Frame-Options`. `deny` holds against the application; `same-origin` gives way to it."""
    referrer: Annotated[str, Field(pattern=r"^[a-z-]+(, ?[a-z-]+)*$|^off$"), Merge.OWN] = (
        "strict-origin-when-cross-origin"
    )
    """`Referrer-Policy`, where the application says nothing."""
    content_security_policy: Annotated[
        Annotated[str, Field(pattern=r"^[\x20-\x7e]+$")] | None, Merge.OWN
    ] = None
    """One more policy beside the application's own: browsers enforce both."""
    permissions_policy: Annotated[
        Annotated[str, Field(pattern=r"^[\x20-\x7e]+$")] | None, Merge.OWN
    ] = Field(default=None)
    """`Permissions-Policy`, in place of the application's."""

    def fragment(self, site: Site) -> Fragment:  # noqa: ARG002  the same on every route
        """Added where they stand on the answer of a service or of `respond`."""
        return Fragment(route=route.Route(response_headers_to_add=list(self._headers())))

    def _headers(self) -> Iterator[core.HeaderValueOption]:
        if self.hsts != "off":
            yield _header("strict-transport-security", f"max-age={self.hsts}", _SET)
        if self.nosniff:
            yield _header("x-content-type-options", "nosniff", _SET)
        if self.frame == "deny":
            yield _header("x-frame-options", "DENY", _SET)
        if self.frame == "same-origin":
            yield _header("x-frame-options", "SAMEORIGIN", _IF_ABSENT)
        if self.referrer != "off":
            yield _header("referrer-policy", self.referrer, _IF_ABSENT)
        if self.content_security_policy is not None:
            yield _header("content-security-policy", self.content_security_policy, _ADD)
        if self.permissions_policy is not None:
            yield _header("permissions-policy", self.permissions_policy, _SET)


def _header(name: str, value: str, action: int) -> core.HeaderValueOption:
    literal = core.HeaderValue(key=name, value=value.replace("%", "%%"))
    return core.HeaderValueOption(header=literal, append_action=action)


_SET = core.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
_IF_ABSENT = core.HeaderValueOption.ADD_IF_ABSENT
_ADD = core.HeaderValueOption.APPEND_IF_EXISTS_OR_ADD
