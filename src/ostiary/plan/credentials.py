"""Credentials of programs, resolved: the issuers of the document, and what each route accepts.

Fed by `study` and `routes`; the issuers go to the compiler and to `login`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ostiary.errors import ConfigError
from ostiary.features.credentials import Accepted, Bearer, Credentials
from ostiary.identity.api_keys import OF_KEYS
from ostiary.identity.issuers import Issuer
from ostiary.language import issuers as written
from ostiary.language.document import Noun
from ostiary.language.nearest import did_you_mean
from ostiary.language.units import seconds
from ostiary.language.written import Levelled


def issuer(noun: Noun[written.Issuer]) -> Issuer:
    """What `noun` means."""
    value, keys = noun.value, noun.value.keys
    return Issuer(
        name=noun.name,
        issuer=value.issuer,
        audiences=tuple(dict.fromkeys(value.audiences)),
        algorithms=tuple(dict.fromkeys(value.algorithms)),
        types=tuple(dict.fromkeys(map(_bare, value.types))),
        clock_skew=int(seconds(value.clock_skew)),
        longest=int(seconds(value.longest)),
        user=value.claims.user,
        email=value.claims.email,
        groups=value.claims.groups,
        scopes=value.claims.scopes or "",
        email_domains=tuple(value.email_domains or ()),
        url=keys.url or "",
        ca=_beside(noun, keys.ca),
        file=_beside(noun, keys.file),
    )


def issuer_faults(
    issuers: Mapping[str, Noun[written.Issuer]],
) -> Iterator[tuple[Noun[written.Issuer], ConfigError]]:
    """What is wrong with each by itself, and with two of them together."""
    first: dict[str, Noun[written.Issuer]] = {}
    for noun in issuers.values():
        if noun.name == OF_KEYS:
            yield (
                noun,
                ConfigError(
                    "plan.issuer-name",
                    f"{noun}: its users would be called {OF_KEYS}:<sub>, as services are",
                    noun.place,
                    "give it another name",
                ),
            )
        keys = noun.value.keys
        if (keys.url is None) == (keys.file is None):
            yield (
                noun,
                ConfigError(
                    "plan.issuer-keys",
                    f"{noun}: its keys are at one of `url` and `file`",
                    noun.at("keys"),
                    "write `keys: {url: https://...}` or `keys: {file: ...}`",
                ),
            )
        elif keys.url is not None and not keys.url.startswith("https://"):
            yield (
                noun,
                ConfigError(
                    "plan.issuer-keys",
                    f"{noun}: keys that come without TLS are anybody's",
                    noun.at("keys", "url"),
                    "write a URL that begins with https://",
                ),
            )
        earlier = first.setdefault(noun.value.issuer, noun)
        if earlier is not noun:
            yield (
                noun,
                ConfigError(
                    "plan.issuer-twice",
                    f"{noun} and {earlier} have the same `issuer`, so no token says whose it is",
                    noun.at("issuer"),
                    "keep one of them",
                ),
            )


def issuer_warnings(noun: Noun[written.Issuer]) -> Iterator[str]:
    """What is sound and yet should be known."""
    lenient = [one for one in noun.value.types if _bare(one) != "at+jwt"]
    if lenient:
        yield (
            f"{noun.at('types')}: {noun} lets in tokens of the type {lenient[0]}, which do not say "
            "that they are access tokens"
        )


def accepted(
    made: Credentials | None,
    nouns: list[Noun[Levelled]],
    issuers: Mapping[str, tuple[str, ...]],
    faults: list[ConfigError],
    *,
    login: bool,
) -> Accepted | None:
    """What the route accepts; None when it has no `credentials`. `nouns` are its levels."""
    if made is None:
        return None
    owner = next(noun for noun in reversed(nouns) if noun.value.credentials is not None)
    bearer, keys = made.bearer, made.api_keys
    header = None if keys is None else keys.header
    if bearer is None:
        faults += [] if header else [_nothing(owner)]
        return Accepted(login=login, bearer={}, api_keys=header)
    faults += _faults(owner, bearer, issuers)
    names = issuers if bearer.issuers is None else bearer.issuers
    found = {name: issuers.get(name, ()) for name in names}
    wanted = bearer.audiences
    return Accepted(
        login=login,
        bearer={
            name: [one for one in audiences if wanted is None or one in wanted]
            for name, audiences in sorted(found.items())
        },
        api_keys=header,
    )


def _faults(
    owner: Noun[Levelled], bearer: Bearer, issuers: Mapping[str, tuple[str, ...]]
) -> Iterator[ConfigError]:
    if not issuers:
        yield ConfigError(
            "plan.no-issuer",
            f"{owner} accepts access tokens, but nobody signs any: there is no issuer",
            owner.at("credentials", "bearer"),
            "add `identity: {issuers: {...}}`",
        )
    for index, name in enumerate(bearer.issuers or ()):
        if issuers and name not in issuers:
            yield ConfigError(
                "plan.unknown-issuer",
                f'{owner}: there is no issuer "{name}"',
                owner.at("credentials", "bearer", "issuers", index),
                did_you_mean(name, issuers, "issuers"),
            )
    known = {one for name in bearer.issuers or issuers for one in issuers.get(name, ())}
    for index, audience in enumerate(bearer.audiences or ()):
        if known and audience not in known:
            yield ConfigError(
                "plan.audience",
                f'{owner}: no issuer accepted here has the audience "{audience}"',
                owner.at("credentials", "bearer", "audiences", index),
                did_you_mean(audience, known, "audiences"),
            )


def _nothing(owner: Noun[Levelled]) -> ConfigError:
    return ConfigError(
        "plan.no-credential",
        f"{owner}: `credentials` accepts no kind of credential",
        owner.at("credentials"),
        "add `bearer: {issuers: [...]}` or `api_keys: true`",
    )


def _bare(typ: str) -> str:
    return typ.lower().removeprefix("application/")


def _beside(noun: Noun[written.Issuer], path: str | None) -> str:
    """Relative to the document that names it."""
    if path is None or path.startswith("/"):
        return path or ""
    folder, slash, _ = noun.place.file.rpartition("/")
    return f"{folder}{slash}{path}"
