"""What all nouns share: closed, frozen, strict models, short forms, and the levelled blocks.

Fed by `read`; the nouns of `gateway`, `service` and `route` extend `Levelled`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from ostiary.features.access import AccessRule
from ostiary.features.cors import Cors
from ostiary.features.credentials import Credentials
from ostiary.features.headers import Headers
from ostiary.features.limits import Limit
from ostiary.features.login import Login
from ostiary.features.security_headers import SecurityHeaders
from ostiary.features.timeouts import Timeouts
from ostiary.features.trust import Trust
from ostiary.features.waf import Waf
from ostiary.language.patterns import (
    Trouble,
    address_trouble,
    exact_host_trouble,
    host_trouble,
    path_trouble,
)
from ostiary.language.units import DURATION


class Written(BaseModel):
    """A part of a document: no unknown key, no guessed type, never changed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def refuse(trouble: Trouble) -> PydanticCustomError:
    """`trouble` as the error that `voice` turns back into our own sentence."""
    return PydanticCustomError("ours", "{sentence}", trouble._asdict())


def _checked(check: Callable[[str], Trouble | None]) -> AfterValidator:
    def validate(word: str) -> str:
        trouble = check(word)
        if trouble is not None:
            raise refuse(trouble)
        return word

    return AfterValidator(validate)


def _duration_trouble(text: str) -> Trouble | None:
    if DURATION.fullmatch(text):
        return None
    hint = "write a number and a unit: 250ms, 30s, 5m or 1h"
    return Trouble("document.duration", f'"{text}" is not a duration', hint)


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _login(value: object) -> object:
    if value is True:
        return {}
    if value is False:
        hint = "leave `login` out; to let anybody in, write `access: public`"
        sentence = "`login: false` has no meaning"
        raise refuse(Trouble("document.wrong-value", sentence, hint))
    return value


def _access(value: object) -> object:
    if value == "public":
        return [{"allow": {"public": True}}]
    if isinstance(value, str):
        hint = "write `access: public`, or a list of allow and deny rules"
        sentence = f'`access: {value}` has no meaning; the only word it takes is "public"'
        raise refuse(Trouble("document.wrong-value", sentence, hint))
    return value


Lower: TypeAlias = Annotated[str, AfterValidator(str.lower)]
Host: TypeAlias = Annotated[Lower, _checked(host_trouble)]
ListenerHost: TypeAlias = Annotated[Lower, _checked(lambda host: host_trouble(host, any_host=True))]
ExactHost: TypeAlias = Annotated[Lower, _checked(exact_host_trouble)]
PathPattern: TypeAlias = Annotated[str, _checked(path_trouble)]
Address: TypeAlias = Annotated[str, _checked(address_trouble)]
Duration: TypeAlias = Annotated[str, _checked(_duration_trouble)]
Port: TypeAlias = Annotated[int, Field(ge=1, le=65_535)]
OneOrMore = BeforeValidator(_listed)
"""A single word where a list may stand."""


class Levelled(Written):
    """The blocks that may stand on a gateway, a service and a route alike."""

    login: Annotated[Login | None, BeforeValidator(_login)] = None
    """`true`, or `{with: [...]}`: the routes below ask for sign-in."""
    credentials: Credentials | None = None
    """What programs may show instead: access tokens of other issuers, API keys."""
    access: Annotated[list[AccessRule] | None, BeforeValidator(_access)] = None
    """`public`, or a set of rules. A request must pass every level that has one."""
    limits: list[Limit] | None = None
    """Every limit of every level holds."""
    headers: Headers | None = None
    """Changes to request and response headers."""
    cors: Cors | None = None
    """Which other origins may let a browser read the answers."""
    security_headers: SecurityHeaders | None = None
    """Response headers that tell browsers to be careful; sound defaults hold everywhere."""
    timeouts: Timeouts | None = None
    """How long a request may take."""
    trust: Trust | None = None
    """What holds while the newest verdicts may be missing."""
    waf: Waf | None = None
    """Rules that look into requests and answers for attacks."""
