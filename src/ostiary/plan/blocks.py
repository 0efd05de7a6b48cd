"""The blocks of one route: gateway's, service's and its own, merged, defaults taken.

Fed by `routes`; `merge` holds the arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ostiary.errors import ConfigError
from ostiary.features.cors import Cors
from ostiary.features.credentials import Credentials
from ostiary.features.fragment import Block
from ostiary.features.headers import Headers
from ostiary.features.limits import Limit, Limits
from ostiary.features.login import Login
from ostiary.features.security_headers import SecurityHeaders
from ostiary.features.timeouts import Timeouts
from ostiary.features.trust import Trust
from ostiary.language.document import Noun
from ostiary.language.written import Levelled
from ostiary.plan.merge import Looser, Merged, Written, merge

DEFAULT: Final = "default"
_MERGED: Final[tuple[type[Block], ...]] = (Cors, Headers, SecurityHeaders, Timeouts, Trust)
_ALWAYS: Final[Mapping[str, Block]] = {
    "security_headers": SecurityHeaders(),
    "timeouts": Timeouts(),
}
"""Blocks that hold on every route, whoever wrote them or not."""


@dataclass(frozen=True)
class Effective:
    """What holds for one route."""

    blocks: dict[str, Block]
    origins: dict[str, str]
    login: Login | None
    login_owner: Noun[Levelled] | None
    """The lowest level that asks for sign-in."""
    credentials: Credentials | None = None


def effective(nouns: Sequence[Noun[Levelled]], faults: list[ConfigError]) -> Effective:
    """The blocks of `nouns` (gateway, service, route) joined; what loosens goes to `faults`."""
    blocks: dict[str, Block] = {}
    origins: dict[str, str] = {}
    for model in _MERGED:
        merged = _merged(model, nouns, faults)
        if merged is not None:
            blocks[model.feature] = merged.block
            origins.update(_spelt(model.feature, merged))
        elif model.feature in _ALWAYS:
            blocks[model.feature] = _ALWAYS[model.feature]
            origins[model.feature] = DEFAULT
    limits = [(noun, index, limit) for noun in nouns for index, limit in _limits(noun)]
    if limits:
        blocks[Limits.feature] = Limits(limits=tuple(limit for _, _, limit in limits))
        for position, (noun, _, _) in enumerate(limits):
            origins[f"limits[{position}]"] = str(noun)
    shown = _merged(Credentials, nouns, faults)
    if shown is not None:
        origins.update(_spelt(Credentials.feature, shown))
    credentials = shown.block if shown is not None else None
    login = _merged(Login, nouns, faults)
    block = login.block if login is not None else None
    owner = next((noun for noun in reversed(nouns) if noun.value.login is not None), None)
    if owner is not None:
        origins["login"] = str(owner)
    return Effective(
        blocks,
        origins,
        block if isinstance(block, Login) else None,
        owner,
        credentials if isinstance(credentials, Credentials) else None,
    )


def _limits(noun: Noun[Levelled]) -> Iterator[tuple[int, Limit]]:
    yield from enumerate(noun.value.limits or ())


def _merged(
    model: type[Block], nouns: Sequence[Noun[Levelled]], faults: list[ConfigError]
) -> Merged[Block] | None:
    written = [
        Written(str(noun), block)
        for noun in nouns
        if (block := getattr(noun.value, model.feature)) is not None
    ]
    if not written:
        return None
    merged = merge(model, written)
    for looser in merged.looser:
        noun = next(noun for noun in nouns if str(noun) == looser.owner)
        faults.append(_loosened(noun, model.feature, looser))
    return merged


def _loosened(noun: Noun[Levelled], feature: str, looser: Looser) -> ConfigError:
    path = (feature, *looser.path)
    return ConfigError(
        "plan.loosened",
        f"{noun}: `{'.'.join(path)}` loosens a level above it: {looser.sentence}",
        noun.at(*path),
        "a lower level may only be stricter; change the level above, or take this away",
    )


def _spelt(feature: str, merged: Merged[Block]) -> Iterator[tuple[str, str]]:
    for path, owner in merged.origins.items():
        yield ".".join((feature, *path)), owner
