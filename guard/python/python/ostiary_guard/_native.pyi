"""The engines, in Rust. `proto/verdicts.proto` says what a message is, a `ValueError` why not.

Times in `_ms` are Unix milliseconds of the control plane, or of a monotonic clock (`mono_ms`).
Keys are pairs of a kind (`user`, `session`, `device`, `workload`, `address`, `api-key`, `token`,
`provider`) and a key.
"""

from collections.abc import Sequence
from typing import Final, final

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
