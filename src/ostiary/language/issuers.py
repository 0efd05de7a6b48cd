"""`identity.issuers`: who signs access tokens that programs bring."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ostiary.language.written import Duration, OneOrMore, Written


class KeySet(Written):
    """Where the issuer's public keys are. Exactly one of `url` and `file` is written."""

    url: Annotated[str, Field(min_length=1)] | None = None
    """`https://...`, a JWK set (RFC 7517). It is fetched again every few minutes."""
    ca: Annotated[str, Field(min_length=1)] | None = None
    """A PEM file with the authorities of that server; none written: those of the system."""
    file: Annotated[str, Field(min_length=1)] | None = None
    """A file with a JWK set, relative to the document that names it."""


class ClaimNames(Written):
    """Which claims say what; a dot leads into an object."""

    user: Annotated[str, Field(min_length=1)] = "sub"
    email: Annotated[str, Field(min_length=1)] = "email"
    groups: Annotated[str, Field(min_length=1)] = "groups"
    scopes: Annotated[str, Field(min_length=1)] | None = None
    """None written: `scope`, or else `scp`."""


class Issuer(Written):
    """Its access tokens (RFC 9068) count where a route names it under `credentials.bearer`."""

    issuer: Annotated[str, Field(min_length=1)]
    """The claim `iss`, byte by byte."""
    keys: KeySet
    audiences: Annotated[list[str], OneOrMore, Field(min_length=1)]
    """The claim `aud` must have one of them."""
    algorithms: Annotated[
        list[Literal["RS256", "PS256", "ES256", "EdDSA"]], OneOrMore, Field(min_length=1)
    ] = ["RS256", "PS256", "ES256", "EdDSA"]
    """How its tokens may be signed; no others exist here."""
    types: Annotated[
        list[Annotated[str, Field(pattern=r"^[A-Za-z0-9+.-]{1,40}$")]],
        OneOrMore,
        Field(min_length=1),
    ] = ["at+jwt"]
    """The header `typ`. `JWT` lets in what does not say that it is an access token."""
    clock_skew: Duration = "30s"
    """By how much its clock may differ from ours."""
    longest: Duration = "24h"
    """A token that lives longer than this counts for nothing."""
    claims: ClaimNames = ClaimNames()
    email_domains: Annotated[list[str], Field(min_length=1)] | None = None
    """The domains for whose addresses it vouches. None written: those it calls verified."""
