"""`waf`: rules in SecLang that look into requests and answers for attacks.

What a person writes is `Waf`; what holds for one route, once its levels are joined and the rules
are read, is `Inspection`, which tells the guard. The rules travel inside the configuration, once a
gateway, under their content hash; a route names the hash and says how they are applied. Head first,
before anybody is asked who they are; the body only once the rules of `access` let the request pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from ostiary.features.fragment import (
    Block,
    Bounds,
    Filter,
    Fragment,
    ListenerSite,
    Merge,
    RuleSet,
    Site,
    Stage,
)
from ostiary.features.roles import Role, filling, on_route
from ostiary.wire import COOKIE_PREFIX

CORE: Final = "core"
"""The pack that is compiled into the guard."""
CRS: Final = "crs"
"""The OWASP Core Rule Set, as it is installed."""
THRESHOLD, RESPONSE_THRESHOLD = 5, 4
"""Anomaly scores from which a request or an answer is stopped: those of CRS itself."""
_SECRET_HEADERS: Final = ("authorization", "proxy-authorization")
_MASKED: Final = (
    "access_token",
    "api_key",
    "client_secret",
    "code_verifier",
    "new_password",
    "old_password",
    "otp",
    "passwd",
    "password",
    "pwd",
    "refresh_token",
    "secret",
    "token",
)
"""Arguments that are inspected, and whose values are shown nowhere."""
_OURS: Final = ("password", "username")
"""What people type into our sign-in page: no rule of anybody sees it."""


def _listed(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _file(value: object) -> object:
    return {"file": value} if isinstance(value, str) else value


Tag = Annotated[str, Field(pattern=r"^tag:[^\s]+$")]
Size = Annotated[str, Field(pattern=r"^[1-9]\d{0,5}(KiB|MiB)$")]
Work = Annotated[str, Field(pattern=r"^[1-9]\d{0,5}(ms|s)$")]
"""Time that the engine works, of one core."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Where(_Part):
    """Where an exclusion holds; what is left out is everywhere."""

    paths: Annotated[list[str], Field(min_length=1)] | None = None
    """`/x` exact; `/x/*` also everything below, `/x` included."""
    target: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """The only part of a request that the rule no longer sees, such as `ARGS:comment`."""


class Exclusion(_Part):
    """Rules that do not hold somewhere. It stands in the block that demands the rules."""

    rule: Annotated[list[int | Tag], BeforeValidator(_listed), Field(min_length=1)]
    """Numbers of rules, or `tag:` and a tag of theirs."""
    where: Where | None = None
    """None written: the rules do not hold at all."""
    because: Annotated[str, Field(min_length=1, max_length=200)]
    """Why this is right; who reads it later wants to know."""
    until: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None = None
    """The last day on which it holds (UTC), such as `2027-03-31`."""

    @field_validator("because")
    @classmethod
    def _says_something(cls, text: str) -> str:
        if not text.strip():
            raise ValueError("say why; who reads it later wants to know")
        return text

    @field_validator("until")
    @classmethod
    def _is_a_day(cls, text: str | None) -> str | None:
        if text is not None:
            try:
                date.fromisoformat(text)
            except ValueError:
                raise ValueError(f"there is no day {text}") from None
        return text

    def over(self, today: date) -> bool:
        """Whether its last day is gone."""
        return self.until is not None and date.fromisoformat(self.until) < today


class Log(_Part):
    """A file of the proxy's machine that gets one line of JSON for each inspected request."""

    file: Annotated[str, Field(min_length=1)]
    """Relative to the document that names it."""
    record: bool = False
    """Whether the line has the request in it, secrets masked, for `ostiary waf replay`; and what
    each rule cost."""


class Strangers(_Part):
    """How much work one address may cause where nobody signs in; beyond it, 503.

    An IPv6 network of 64 bits counts as one address.
    """

    budget: Work = "100ms"
    """Work of the engine in each second of the clock; `2s` is that of two cores."""
    burst: Work = "500ms"
    """Work that may be caused at once, before the budget counts."""


class Waf(Block):
    """`waf: {rules: core}`. Needs the guard."""

    feature: ClassVar[str] = "waf"
    rules: Annotated[
        Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)],
        BeforeValidator(_listed),
        Merge.UNION,
    ] = [CORE]
    """`core`, compiled in; `crs`, the installed OWASP Core Rule Set; or folders and files of yours,
    relative to the document."""
    paranoia: Annotated[int, Field(ge=1, le=4), Merge.MAX] = 1
    """How much is suspicious: the paranoia level of CRS."""
    mode: Annotated[Literal["block", "shadow", "off"], Merge.ORDERED] = "block"
    """`shadow` scores and logs, and stops nothing."""
    threshold: Annotated[int, Field(ge=1, le=10_000), Merge.MIN] = THRESHOLD
    """The score from which a request is stopped; a critical match counts 5."""
    response_threshold: Annotated[int, Field(ge=1, le=10_000), Merge.MIN] = RESPONSE_THRESHOLD
    """The score from which an answer is stopped, where `response` is on; an error counts 4."""
    exclude: Annotated[list[Exclusion], Merge.UNION] = []
    """Rules of this block, or of a level above that hands it down, that do not hold somewhere."""
    children_may: Annotated[list[Literal["exclude", "shadow"]], Merge.OWN] = []
    """What levels below may do to the rules that this block demands."""
    body_limit: Annotated[Size, Merge.MIN] = "128KiB"
    """The longest body that is inspected; a longer one is refused with 413."""
    response: Annotated[Literal["on", "off"], Merge.ORDERED] = "off"
    """Whether answers are looked into: leaked errors, source code, web shells."""
    budget: Annotated[Annotated[int, Field(ge=100_000)] | Literal["auto"], Merge.MIN] = "auto"
    """Work for one request, about a byte looked at by one rule each."""
    exhausted: Annotated[Literal["block", "score", "flag"], Merge.ORDERED] = "block"
    """What happens to a request that uses its budget up: 403; a critical match more, and what was
    found by then is judged; or a line in the log."""
    log: Annotated[Annotated[Log, BeforeValidator(_file)] | None, Merge.OWN] = None
    """A file that gets a line of JSON for each inspected request; a name alone will do."""

    def fragment(self, site: Site) -> Fragment:
        """Nothing: only with its rules read and its levels joined does a block mean something."""
        raise NotImplementedError


class GatewayWaf(Waf):
    """`waf` of a gateway has two keys more, `strangers` and `buffer`: what all its routes share.

    A block that says nothing but these demands no rules.
    """

    strangers: Annotated[Strangers, Merge.OWN] = Strangers()
    """What one address may cost where nobody signs in."""
    buffer: Annotated[Size, Merge.OWN] = "64MiB"
    """Bodies of all requests that are held at once to be looked into; beyond it, 503."""

    @property
    def demands(self) -> Waf | None:
        """What holds for routes; None where the block is about the gateway alone."""
        written = self.model_fields_set - _OF_GATEWAYS
        if self.model_fields_set and not written:
            return None
        values = {name: getattr(self, name) for name in Waf.model_fields}
        return Waf.model_construct(_fields_set=written, **values)


_OF_GATEWAYS: Final = GatewayWaf.model_fields.keys() - Waf.model_fields.keys()


class Excluded(_Part):
    """An exclusion with its rules found, as it holds on one route."""

    rules: list[int]
    target: str | None
    paths: list[str]
    because: str
    until: str | None
    owner: str
    """The level it stands on."""


class Inspection(Block):
    """What holds on one route: levels joined, rules read, exclusions of today."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    feature: ClassVar[str] = "waf"
    rules: dict[str, list[str]]
    """Rules as they were written -> the levels that demand them."""
    numbers: Annotated[dict[str, list[tuple[int, int]]], Field(exclude=True)]
    """Rules as they were written -> the numbers of their rules, from and to."""
    rule_set: Annotated[RuleSet, Field(exclude=True)]
    paranoia: int
    mode: Literal["block", "shadow"]
    threshold: int
    response_threshold: int
    body_limit: int
    """Bytes."""
    response: bool
    budget: int | None
    exhausted: Literal["block", "score", "flag"]
    exclude: list[Excluded]
    log: Log | None
    strangers: Strangers
    buffer: int
    """Bytes."""
    bounds: Annotated[Bounds, Field(exclude=True)]
    """The two before, as the guard is told."""

    def fragment(self, site: Site) -> Fragment:
        """Head and body, told the same."""
        return self._asked(site, self._told(site, anonymous=site.sign_in is None))

    def own_pages(self, site: Site) -> Fragment:
        """The same for pages of ours, where nobody is known and what people type is theirs."""
        told = self._told(site, anonymous=True)
        ours = {"record": False, "timing": False, "secret_arguments": _OURS}
        return self._asked(site, {**told, **ours})

    def _asked(self, site: Site, told: Mapping[str, Any]) -> Fragment:
        if not site.guard:
            return Fragment()
        return Fragment(
            per_route={
                Stage.WAF_HEAD.slot: on_route(Role.WAF_HEAD, told),
                Stage.WAF_BODY.slot: on_route(Role.WAF_BODY, told),
            }
        )

    def _told(self, site: Site, *, anonymous: bool) -> dict[str, Any]:
        told: dict[str, Any] = {
            "set": self.rule_set.name,
            "paranoia": self.paranoia,
            "mode": self.mode,
            "threshold": self.threshold,
            "response_threshold": self.response_threshold,
            "body_limit": self.body_limit,
            "response": self.response,
            "exhausted": self.exhausted,
            "exclude": [_excluded(one) for one in self.exclude],
            "anonymous": anonymous,
            "log": self.log.file if self.log else "",
            "record": self.log is not None and self.log.record,
            "timing": self.log is not None and self.log.record,
            "host": site.host,
            "route": site.route.path,
        }
        return told if self.budget is None else {**told, "budget": self.budget}


def slots(listener: ListenerSite) -> tuple[Filter, ...]:
    """Two filters; the first has every rule set that some route of the gateway names."""
    if not listener.guard or not listener.rule_sets:
        return ()
    secret = {"headers": _SECRET_HEADERS, "cookies": [COOKIE_PREFIX], "masked": _MASKED}
    sets = {one.name: _carried(one) for one in listener.rule_sets}
    head = filling(Role.WAF_HEAD, {"sets": sets, "secret": secret, **_bounds(listener.bounds)})
    return (
        Filter(Stage.WAF_HEAD, Stage.WAF_HEAD.slot, head),
        Filter(Stage.WAF_BODY, Stage.WAF_BODY.slot, filling(Role.WAF_BODY, {})),
    )


def own_pages(site: Site) -> Fragment:
    """Pages of ours are looked into where the gateway says so."""
    block = site.blocks.get("waf")
    return block.own_pages(site) if isinstance(block, Inspection) else Fragment()


def _bounds(one: Bounds) -> Mapping[str, int]:
    return {
        "source_rate": one.budget,
        "source_burst": one.burst,
        "buffer_cap": one.buffer,
    }


def _carried(one: RuleSet) -> Mapping[str, Any]:
    return {"core": one.core, "packed": one.packed} if one.packed else {"core": one.core}


def _excluded(one: Excluded) -> Mapping[str, Any]:
    targets: Sequence[str] = [one.target] if one.target else []
    return {"rules": one.rules, "tags": [], "targets": targets, "paths": one.paths}
