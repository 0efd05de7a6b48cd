"""What an agent tells `app` about its proxy, as it happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Live:
    """Envoy has its configuration and takes connections."""

    pid: int


@dataclass(frozen=True, slots=True)
class Died:
    """Envoy ended by itself; it is started again after `pause` seconds."""

    status: int
    """Exit status, or minus the signal's number."""
    pause: float


@dataclass(frozen=True, slots=True)
class Away:
    """The control plane does not answer. A live Envoy goes on with what it has."""


@dataclass(frozen=True, slots=True)
class OnSpare:
    """A starting Envoy is served snapshot `number` from disk; the control plane is away."""

    number: int


@dataclass(frozen=True, slots=True)
class Through:
    """The control plane is back: Envoy may connect with it again."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A refusal in words: no snapshot is kept up to date, or Envoy is not started again."""

    code: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Deaf:
    """The guard of a live Envoy gets no verdicts: it goes on enforcing what it knows."""


@dataclass(frozen=True, slots=True)
class Told:
    """The guard gets verdicts, and holds `entries` of them."""

    entries: int


Event: TypeAlias = Live | Died | Away | OnSpare | Through | Trouble | Deaf | Told
Tell: TypeAlias = Callable[[Event], None]
