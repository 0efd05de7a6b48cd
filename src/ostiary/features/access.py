"""`access`: who may do what. A set of rules; order never matters; none means nobody.

A request passes if no `deny` matches and some `allow` does, on every level that has an `access`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ostiary.features.fragment import Block, Merge

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"]


class Who(Block):
    """The conditions of one rule: every key written must hold."""

    feature: ClassVar[str] = "access"
    name: Annotated[str, Field(min_length=1, max_length=80)] | None = None
    """The label a refused person may read; default `notes/access[0]`."""
    public: Literal[True] | None = None
    """Anybody, signed in or not. Goes with `methods` and `paths` only."""
    users: Annotated[list[str], Field(min_length=1)] | None = None
    """User names or e-mail addresses."""
    groups: Annotated[list[str], Field(min_length=1)] | None = None
    """Any of these groups."""
    email_domains: Annotated[list[str], Field(min_length=1)] | None = None
    """The part behind the `@`, compared without case."""
    methods: Annotated[list[Method], Field(min_length=1)] | None = None
    paths: Annotated[list[str], Field(min_length=1)] | None = None
    """`/x` exact; `/x/*` also everything below, `/x` included."""


class AccessRule(Block):
    """Exactly one of `allow` and `deny`."""

    feature: ClassVar[str] = "access"
    allow: Who | None = None
    deny: Who | None = None


Access = Annotated[Literal["public"] | list[AccessRule], Merge.SUBSET]
"""`access: public` lets anybody in; a list is a set of rules."""
