"""What the control plane can say about its proxies, and whom it tells.

Fed by `server`; feeds `app`, which tells the writer's line, the status page and the store.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ostiary.compiler.resources import Resource
from ostiary.xds.quarantine import Refusal


class Reports(Protocol):
    """Called on the server's event loop; must return at once and not raise."""

    def acked(self, proxy: str, revision: str) -> None:
        """Every connected Envoy of `proxy` holds `revision`, save what `refused` named."""

    def refused(self, proxy: str, resources: tuple[Resource, ...], error: str) -> None:
        """`proxy` refused these, in its own words `error`; `Resource.place` is the line."""


class Silence:
    """Reports to nobody."""

    def acked(self, proxy: str, revision: str) -> None:
        """Nothing."""

    def refused(self, proxy: str, resources: tuple[Resource, ...], error: str) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class ProxyStatus:
    """One SPIFFE id at one moment."""

    proxy: str
    connected: int
    """Open streams; several equal Envoys may share an id."""
    accepted: str | None
    """The newest revision that every connected Envoy of this id has accepted."""
    pending: bool
    """A newer revision is under way."""
    late: tuple[str, ...]
    """Clusters that did not get warm within the limit: their routes are degraded."""
    refused: tuple[Refusal, ...]
    last_seen: float | None
    """Seconds since the epoch; None when it never connected."""
    sent: int
    """Bytes of messages sent to it by this process."""


@dataclass(frozen=True, slots=True)
class Settled:
    """Who holds a revision and who does not, among the connected."""

    revision: str
    done: tuple[str, ...]
    waiting: tuple[str, ...]
    refused: tuple[Refusal, ...]

    @property
    def everywhere(self) -> bool:
        """All connected proxies hold the revision and refused nothing of it."""
        return not self.waiting and not self.refused
