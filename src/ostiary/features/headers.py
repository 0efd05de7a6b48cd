"""`headers`: change request and response headers on the way through."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar, Final

from pydantic import Field, field_validator

from ostiary.features.fragment import Block, Fragment, Merge, Site
from ostiary.protos.messages import core, route
from ostiary.wire import RESERVED_PREFIX

_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""A field name: `token` of RFC 9110, section 5.6.2."""
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\U0010ffff]*")
_OURS: Final = (RESERVED_PREFIX, "x-envoy-", "x-forwarded-")
_FRAMING: Final = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer"}
)
_SET: Final = core.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
_ADD: Final = core.HeaderValueOption.APPEND_IF_EXISTS_OR_ADD


class HeaderChange(Block):
    """`set` replaces, `add` appends, `remove` takes away; never one of ours, nor framing."""

    feature: ClassVar[str] = "headers"
    set: Annotated[dict[str, str], Merge.OWN] = Field(default={})
    add: Annotated[dict[str, str], Merge.OWN] = Field(default={})
    remove: Annotated[list[str], Merge.UNION] = Field(default=[])

    @field_validator("set", "add")
    @classmethod
    def _values_are_sound(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            _refuse(name)
            if not _VALUE.fullmatch(value):
                raise ValueError(f"the value of {name} has a control character")
        return headers

    @field_validator("remove")
    @classmethod
    def _names_are_free(cls, names: list[str]) -> list[str]:
        for name in names:
            _refuse(name)
        return names


class Headers(Block):
    """Changes in each direction."""

    feature: ClassVar[str] = "headers"
    request: Annotated[HeaderChange, Merge.OWN] = HeaderChange()
    response: Annotated[HeaderChange, Merge.OWN] = HeaderChange()

    def fragment(self, site: Site) -> Fragment:  # noqa: ARG002  the same on every route
        """Values are literal: a `%` is a `%`, never one of Envoy's commands."""
        return Fragment(
            route=route.Route(
                request_headers_to_add=_changes(self.request),
                request_headers_to_remove=sorted(self.request.remove),
                response_headers_to_add=_changes(self.response),
                response_headers_to_remove=sorted(self.response.remove),
            )
        )


def _header(name: str, value: str, action: int) -> core.HeaderValueOption:
    literal = core.HeaderValue(key=name.lower(), value=value.replace("%", "%%"))
    return core.HeaderValueOption(header=literal, append_action=action, keep_empty_value=True)


def _changes(change: HeaderChange) -> list[core.HeaderValueOption]:
    return [*_each(change.set, _SET), *_each(change.add, _ADD)]


def _each(headers: Mapping[str, str], action: int) -> list[core.HeaderValueOption]:
    return [_header(name, headers[name], action) for name in sorted(headers)]


def _refuse(name: str) -> None:
    lowered = name.lower()
    if not _NAME.fullmatch(name) or "_" in name:
        raise ValueError(f"{name!r} is no header name (letters, digits and - . ! # ...; no _)")
    if lowered.startswith(_OURS):
        raise ValueError(f"{name} is one of the gateway's own headers")
    if lowered in _FRAMING:
        raise ValueError(f"{name} frames the message; the gateway writes it")
