"""`credentials`: what programs may show instead of a session.

A person writes `Credentials`; what holds for one route, its issuers looked up, is `Accepted`,
which the guard is told. The guard verifies a credential by itself; at its first use on a host
`login` looks at it again and hands over whom it is about.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field

from ostiary.features.fragment import Block, Fragment, Merge, Site


def _all(value: object) -> object:
    return {} if value is True else value


class Bearer(Block):
    """`bearer: {issuers: [corp]}`, or `bearer: true` for every issuer of the document."""

    feature: ClassVar[str] = "credentials"
    issuers: Annotated[Annotated[list[str], Field(min_length=1)] | None, Merge.SUBSET] = None
    """Names under `identity.issuers`; none written: all of them."""
    audiences: Annotated[Annotated[list[str], Field(min_length=1)] | None, Merge.SUBSET] = None
    """Of the issuer's audiences, those that count here; none written: all of them."""


class Keys(Block):
    """`api_keys: {header: x-api-key}`, or `api_keys: true`; a key may be a bearer token too."""

    feature: ClassVar[str] = "credentials"
    header: Annotated[Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")], Merge.OWN] = "x-api-key"
    """In which a key stands."""


class Credentials(Block):
    """What counts besides the session cookie of `login`. Needs the guard."""

    feature: ClassVar[str] = "credentials"
    bearer: Annotated[Annotated[Bearer | None, BeforeValidator(_all)], Merge.OWN] = None
    """Access tokens of other issuers (RFC 6750, RFC 9068)."""
    api_keys: Annotated[Annotated[Keys | None, BeforeValidator(_all)], Merge.OWN] = None
    """Keys that `ostiary key create` makes."""


class Accepted(Block):
    """`credentials` of one route, every name looked up."""

    feature: ClassVar[str] = "credentials"
    login: bool
    """Whether people sign in here besides."""
    bearer: dict[str, list[str]]
    """Issuer -> the audiences that its tokens may name."""
    api_keys: str | None = None
    """The header of API keys; None: none counts."""

    def fragment(self, site: Site) -> Fragment:  # noqa: ARG002  told to the guard by `guard`
        """Nothing of its own: one filter of the guard takes all it must know of a route."""
        return Fragment()

    @property
    def told(self) -> Mapping[str, Any]:
        """What the guard is told, and `login` in the policy record."""
        told: dict[str, Any] = {"login": self.login, "bearer": self.bearer}
        return told if self.api_keys is None else {**told, "api_keys": self.api_keys}
