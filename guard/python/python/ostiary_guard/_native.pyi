"""The engines, in Rust. `proto/verdicts.proto` says what a message is, a `ValueError` why not.

Times in `_ms` are Unix milliseconds of the control plane, or of a monotonic clock (`mono_ms`).
Keys are pairs of a kind (`user`, `session`, `device`, `workload`, `address`, `api-key`, `token`,
`provider`) and a key.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, final

CORE: Final[str]
"""The core pack as it is written, in SecLang."""
__version__: Final[str]

@final
class Standing:
    """What all verdicts about somebody come to."""

    @property
    def effect(self) -> str: ...
    @property
    def verdict(self) -> bytes: ...
    @property
    def kind(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def since_ms(self) -> int: ...
    @property
    def risk(self) -> int: ...

@final
class Table:
    """The verdicts of one process."""

    def __new__(cls, most: int = 1_000_000, seeds: tuple[int, int] = (0, 0)) -> Table: ...
    def put(self, verdict: bytes, now_ms: int) -> int:
        """A serialised `Verdict` holds from now on; returns how many streams have to end."""
    def lift(self, uuid: bytes, kind: str, key: str, now_ms: int) -> None:
        """The verdict `uuid` about that key holds no longer."""
    def standing(
        self, keys: Sequence[tuple[str, str]], now_ms: int, auth_ms: int | None = None
    ) -> Standing | None:
        """What holds against whoever has these keys and signed in at `auth_ms`."""
    @property
    def entries(self) -> int: ...
    @property
    def refused(self) -> int: ...
    @property
    def full(self) -> bool: ...

@final
class Replica:
    """A whole guard without an Envoy: what it answers to the messages of the stream."""

    def __new__(cls, most: int = 1_000_000, wall_ms: int = 0) -> Replica: ...
    def hello(self, guard: str = "", envoy: str = "") -> bytes:
        """The first message of a new stream, a serialised `FromGuard`."""
    def told(self, message: bytes, mono_ms: int = 0) -> bytes | None:
        """A serialised `ToGuard` is enforced; returns the answer. After an error, say hello."""
    def standing(
        self, keys: Sequence[tuple[str, str]], mono_ms: int = 0, auth_ms: int | None = None
    ) -> Standing | None:
        """What holds against whoever has these keys and signed in at `auth_ms`."""
    @property
    def epoch(self) -> str: ...
    @property
    def applied(self) -> int: ...
    @property
    def entries(self) -> int: ...

def verdict(
    uuid: bytes,
    kind: str,
    key: str,
    effect: str,
    *,
    reason: str = "",
    source: str = "",
    since_ms: int = 0,
    expires_ms: int = 0,
    score: int = 0,
    rate: int = 0,
    per_ms: int = 0,
) -> bytes:
    """A serialised `Verdict` that a table takes."""

def read_frames(data: bytes) -> list[bytes]:
    """The complete messages in `data`, as the guard cuts its stream into them."""

def frame(message: bytes) -> bytes:
    """A serialised `ToGuard` as it stands on the wire."""

@final
class Token:
    """A token that we signed and that holds."""

    @property
    def user(self) -> str: ...
    @property
    def session(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def provider(self) -> str: ...
    @property
    def auth_time(self) -> int | None: ...
    @property
    def kid(self) -> str: ...
    @property
    def sha256(self) -> str: ...
    @property
    def assertion(self) -> str: ...
    @property
    def claims(self) -> bytes:
        """All claims but the assertion: a serialised `google.protobuf.Struct`."""

def verify_token(
    token: bytes,
    *,
    jwks: str,
    issuer: str,
    audience: str,
    typ: str,
    lifetime: int,
    skew: int,
    now: int,
) -> Token:
    """What `token` says at `now` (Unix seconds); the error is the code of the log."""

def clean_cookies(lines: Sequence[bytes], prefix: bytes) -> bytes | None:
    """The cookie lines of a request as one, without ours; None when nothing is left."""

def find_cookie(lines: Sequence[bytes], prefix: bytes, name: bytes) -> bytes | None:
    """The value of the cookie `name`; an error when one of ours stands twice."""

def sets_ours(value: bytes, prefix: bytes) -> bool:
    """Whether an application's `Set-Cookie` would set a cookie of ours."""

@final
class RuleFaults(ValueError):
    """Rules that cannot be read or compiled."""

    @property
    def faults(self) -> list[tuple[str, int, str]]:
        """File, line and a sentence of each."""

@final
class RuleSet:
    """Rules in SecLang, read: the core pack first where `core`, then `sources` in their order.

    `sources` are pairs of a name, which messages show, and a text; `data` has the texts of files
    that rules name (`@pmFromFile`). Raises `RuleFaults`.
    """

    def __new__(
        cls,
        sources: Sequence[tuple[str, str]] = (),
        data: Mapping[str, str] = ...,
        core: bool = False,
    ) -> RuleSet: ...
    @property
    def rules(self) -> list[dict[str, Any]]:
        """Every rule, whatever its paranoia level.

        Each has `id`, `message`, `tags`, `phase`, `severity`, `logged`, `paranoia` (0 for none),
        `file`, `line` and `backtracks`: a pattern of it runs with a step bound.
        """
    def __len__(self) -> int: ...

@final
class Match:
    """A rule that held. `place` and `data` hide secrets."""

    @property
    def id(self) -> int: ...
    @property
    def message(self) -> str: ...
    @property
    def data(self) -> str: ...
    @property
    def place(self) -> str: ...
    @property
    def tags(self) -> list[str]: ...
    @property
    def severity(self) -> int | None: ...
    @property
    def logged(self) -> bool: ...

@final
class Outcome:
    """What came of one request."""

    @property
    def interrupted(self) -> bool:
        """It was stopped, with `status`, `by` a rule (0: by a limit)."""
    @property
    def status(self) -> int: ...
    @property
    def by(self) -> int: ...
    @property
    def score(self) -> int: ...
    @property
    def response_score(self) -> int: ...
    @property
    def rules(self) -> list[int]:
        """The rules that want to be seen, in the order of their matches."""
    @property
    def matches(self) -> list[Match]: ...
    @property
    def exhausted(self) -> bool: ...
    @property
    def uncertain(self) -> list[int]:
        """Rules whose pattern gave up at its step bound."""
    @property
    def micros(self) -> list[tuple[int, int]]:
        """Rule and microseconds, where the plan takes times."""

@final
class Plan:
    """Rules, compiled. `mode` is `block`, `shadow` or `off`; None leaves the rules' own word."""

    def __new__(
        cls,
        rules: RuleSet,
        *,
        mode: str | None = None,
        paranoia: int | None = None,
        threshold: int | None = None,
        response_threshold: int | None = None,
        body_limit: int | None = None,
        arguments: int | None = None,
        depth: int | None = None,
        budget: int | None = None,
        exhausted: str = "block",
        secret_headers: Sequence[str] | None = None,
        secret_cookies: Sequence[str] | None = None,
        secret_arguments: Sequence[str] | None = None,
        timing: bool = False,
        decode_overlong: bool = True,
    ) -> Plan: ...
    def inspect(
        self,
        method: str,
        uri: bytes,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes = b"",
        *,
        remote: str = "127.0.0.1",
        request_id: str = "",
        protocol: str = "HTTP/1.1",
        response: tuple[int, Sequence[tuple[bytes, bytes]], bytes] | None = None,
        mode: str | None = None,
        threshold: int | None = None,
        response_threshold: int | None = None,
        budget: int | None = None,
        body_limit: int | None = None,
        exclude: Sequence[tuple[Sequence[str], Sequence[str]]] = (),
    ) -> Outcome:
        """What the rules say about one request, and about its response where there is one.

        `uri` is as it was sent; `response` is a status, headers and a body; `exclude` are pairs of
        rules and targets, as `excluded` has them.
        """
    @property
    def rules(self) -> list[dict[str, Any]]:
        """The rules that run at this paranoia level, as `RuleSet.rules` has them."""
    @property
    def body_limit(self) -> int:
        """Bytes."""
    @property
    def inspects_responses(self) -> bool: ...
    def excluded(self, rules: Sequence[str], targets: Sequence[str] = ()) -> list[int]:
        """The rules that an exclusion means.

        `rules` are numbers, ranges (`941100-941199`) or `tag:NAME`, `targets` parts of a request
        (`ARGS:comment`, `ARGS:/^x/`). `ValueError` says what is wrong with them.
        """

def target_fault(text: str) -> str:
    """What is wrong with a part of a request as exclusions name it; empty for nothing."""
