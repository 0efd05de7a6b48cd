"""Generated policies and requests, from small alphabets so that rules and requests meet often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from ostiary.policy.rules import Effect, Identity, Inputs, Level, Rule

USERS = ("ann", "bob", "Ann", "ann@corp.example", "ANN@Corp.Example", "bob@evil.example", "@")
EMAILS = ("", "ann@corp.example", "ann@CORP.example", "bob@evil.example", "x@sub.corp.example", "x")
DOMAINS = ("corp.example", "Corp.Example", "evil.example", "sub.corp.example")
GROUPS = ("staff", "ops", "Staff")
METHODS = ("GET", "HEAD", "POST", "DELETE", "OPTIONS")
RANGES = ((0, 59), (60, 100), (0, 0), (100, 100), (1, 100), (0, 40))
SCORES = (None, 0, 0, 0, 1, 40, 41, 59, 60, 61, 100)
PATTERNS = ("/*", "/", "/admin", "/admin/*", "/Admin/*", "/a/b/*", "/a%20b", "/admin/", "/a/*")
PATHS = (
    "/",
    "/admin",
    "/admin/",
    "/admin/x",
    "/adminx",
    "/Admin/x",
    "/ADMIN",
    "/admin?x=1",
    "/other?next=/admin",
    "/admin/?",
    "/a/b",
    "/a/b/c/d",
    "/a/bc",
    "/a%20b",
    "/a%2520b",
    "/a/../admin",
    "/a/./b/c",
    "//admin",
    "/a//b/c",
    "/%61dmin/x",
    "/%41dmin/x",
    "/admin;v=1/x",
    "/admin%3b",
    "/admin/%ff",
    "/admin.",
    "/a/b/..",
    "/a/b/%2e%2e/%2e%2e/admin",
)


@dataclass(frozen=True)
class Credential:
    """A token in words: None of these is sent, `wrong` ones are for another host or are over."""

    subject: str | None
    email: str | None
    groups: tuple[str, ...] | None
    current: bool = True
    """Whether `gv` is the one of today."""
    flaw: str = ""
    """``, `host`, `expired`, `forged`."""

    @property
    def identity(self) -> Identity | None:
        """What `decide` should make of it."""
        if self.flaw:
            return None
        groups = frozenset(self.groups or ())
        return Identity(self.subject or "", self.email or "", groups, self.current)


@dataclass(frozen=True)
class Request:
    """One request; `path` is as the client writes it, query and all."""

    method: str
    path: str
    credential: Credential | None
    risk: int | None = None
    """None: nobody says."""

    def inputs(self, normal_path: str) -> Inputs:
        """As `decide` sees it, with the path as the proxy normalised it."""
        identity = self.credential.identity if self.credential else None
        return Inputs(self.method, normal_path.partition("?")[0], identity, self.risk)


@dataclass(frozen=True)
class Policy:
    """The levels of one route, and what kind of route it is."""

    levels: tuple[Level, ...]
    wildcard: bool
    login: bool


def _some(values: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...] | None]:
    few = st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True).map(tuple)
    return st.none() | st.none() | few


def rules(name: str) -> st.SearchStrategy[Rule]:
    """Any rule."""
    return st.builds(
        Rule,
        name=st.just(name),
        effect=st.sampled_from([Effect.ALLOW, Effect.ALLOW, Effect.DENY]),
        public=st.sampled_from([False, False, True]),
        users=_some(USERS),
        groups=_some(GROUPS),
        email_domains=_some(DOMAINS),
        methods=_some(METHODS),
        paths=_some(PATTERNS),
        risk=st.none() | st.none() | st.none() | st.sampled_from(RANGES),
    )


def simple_rules(name: str) -> st.SearchStrategy[Rule]:
    """A rule with at most one identity key: the usual ones, which match more often."""
    keys = {"users": USERS, "groups": GROUPS, "email_domains": DOMAINS}
    one = st.sampled_from([*keys, "public", "anybody"])

    def build(effect: Effect, key: str, rule: Rule) -> Rule:
        kept = {k: getattr(rule, k) or v[:2] if k == key else None for k, v in keys.items()}
        keys_of_all = {"methods": rule.methods, "paths": rule.paths, "risk": rule.risk}
        return Rule(name, effect, key == "public", **keys_of_all, **kept)

    effects = st.sampled_from([Effect.ALLOW] * 5 + [Effect.DENY])
    return st.builds(build, effects, one, rules(name))


def levels() -> st.SearchStrategy[tuple[Level, ...]]:
    """Mostly one or two levels of a few usual rules; at times none, empty ones or odd ones."""
    usual = st.lists(simple_rules("s"), min_size=1, max_size=5)
    any_rules = st.lists(rules("r") | simple_rules("s"), max_size=4)
    level = st.builds(Level, st.just("route r"), (usual | usual | any_rules).map(tuple))
    one, two = st.tuples(level), st.tuples(level, level)
    return one | one | two | st.lists(level, max_size=3).map(tuple)


def policies() -> st.SearchStrategy[Policy]:
    """Any policy."""
    return st.builds(
        Policy,
        levels(),
        st.sampled_from([False, False, True]),
        st.sampled_from([True, True, False]),
    )


def credentials() -> st.SearchStrategy[Credential]:
    """Any credential."""
    return st.builds(
        Credential,
        st.sampled_from(["ann", "bob", "Ann", "ann@corp.example", "", None]),
        st.sampled_from([*EMAILS, None]),
        st.sampled_from([None, (), ("staff",), ("ops", "Staff"), ("staff", "ops"), ("other",)]),
        st.sampled_from([True, True, True, False]),
        st.sampled_from(["", "", "", "", "", "host", "expired", "forged"]),
    )


def requests() -> st.SearchStrategy[Request]:
    """Any request."""
    return st.builds(
        Request,
        st.sampled_from(METHODS),
        st.sampled_from(PATHS),
        st.none() | credentials() | credentials() | credentials(),
        st.sampled_from(SCORES),
    )


@dataclass(frozen=True)
class Batch:
    """Everything one Envoy is asked; shown in one line, for hypothesis prints what failed."""

    policies: list[Policy]
    requests: list[Request]

    def _repr_pretty_(self, printer: Any, _: object) -> None:
        printer.text(f"{len(self.policies)} policies x {len(self.requests)} requests")


@st.composite
def batches(draw: st.DrawFn, size: int) -> Batch:
    """`size` policies and as many requests."""
    several = draw(st.lists(policies(), min_size=size, max_size=size))
    return Batch(several, draw(st.lists(requests(), min_size=size, max_size=size)))
